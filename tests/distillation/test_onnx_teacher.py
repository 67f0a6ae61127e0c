"""ONNX teachers: adapters by hand with a fake session, and one real, tiny file."""

from types import SimpleNamespace

import numpy as np
import pytest

from dense_det.distillation.onnx_teacher import OnnxTeacher, PicoDetAdapter, YoloAdapter, open_onnx_teacher
from dense_det.distillation.teacher import Identity
from dense_det.distillation.views import OWN_SIZE, View

WHO = Identity("onnx", "c", "w", "fake.onnx")


class FakeSession:
    """Gives `outputs` whatever comes in, and remembers what came."""

    def __init__(self, size, outputs, metadata):
        self.outputs, self.metadata, self.size = outputs, metadata, size

    def get_inputs(self):
        return [SimpleNamespace(name="images", shape=[1, 3, *self.size])]

    def get_outputs(self):
        return [SimpleNamespace(shape=list(output.shape)) for output in self.outputs]

    def get_modelmeta(self):
        return SimpleNamespace(custom_metadata_map=self.metadata)

    def run(self, names, feed):
        self.seen = feed["images"]
        return self.outputs


def yolo(rows, size=(64, 64)):
    """Rows of (cx, cy, w, h, score of a, score of b) in pixels of the input."""
    return FakeSession(size, [np.array(rows, np.float32).T[None]], {"names": "{1: 'b', 0: 'a'}"})


def test_yolo_by_hand():
    # 128 x 64 in 64 x 64: scaled by half, with 16 grey rows above and below
    session = yolo(
        [[32, 32, 16, 16, 0.1, 0.9], [33, 32, 16, 16, 0.0, 0.8], [10, 20, 4, 4, 0.6, 0.0], [0, 0, 9, 9, 0.01, 0]]
    )
    teacher = OnnxTeacher(session, 0.05, WHO)
    assert teacher.classes == ("a", "b") and teacher.views == (View(OWN_SIZE),)
    image = np.full((64, 128, 3), (255, 0, 51), np.uint8)
    boxes, scores, classes = teacher.find(image, View(OWN_SIZE))
    assert boxes.tolist() == [[48, 16, 80, 48], [16, 4, 24, 12]]
    assert scores == pytest.approx([0.9, 0.6]) and classes.tolist() == [1, 0]
    assert session.seen.shape == (1, 3, 64, 64)
    assert session.seen[0, :, 15, 5] == pytest.approx(114 / 255) and session.seen[0, :, 16, 5] == pytest.approx(
        [1, 0, 0.2]
    )
    mirrored, _, _ = teacher.find(image, View(OWN_SIZE, True))
    assert mirrored[1].tolist() == [128 - 24, 4, 128 - 16, 12]
    with pytest.raises(ValueError, match="fake.onnx takes images of one size only"):
        teacher.find(image, View(320))


@pytest.mark.parametrize("shape", [(1, 300, 6), (1, 252, 7), (1, 5, 9), (1, 0, 6)])
def test_outputs_that_only_look_like_yolo_are_refused(shape):
    """YOLOv10's (x0, y0, x1, y1, score, class) and YOLOv5's (N, 5 + K): nothing found in silence, or an IndexError."""
    session = FakeSession((64, 64), [np.zeros(shape, np.float32)], {"names": "{0: 'a', 1: 'b'}"})
    told = rf"an output of {'x'.join(map(str, shape))}: expected YOLOv8's 1x6xN, 4 sides and 2 scores"
    with pytest.raises(ValueError, match=told):
        YoloAdapter(session)
    session.get_outputs = lambda: [SimpleNamespace(shape=[1, "rows", "columns"])]
    with pytest.raises(ValueError, match=told):
        YoloAdapter(session)


def test_an_output_of_dynamic_size_is_looked_at():
    session = yolo([[32, 32, 16, 16, 0.1, 0.9]])
    session.get_outputs = lambda: [SimpleNamespace(shape=["batch", None, "boxes"])]
    assert YoloAdapter(session).classes == ("a", "b") and session.seen.shape == (1, 3, 64, 64)


def test_names_of_classes_are_in_the_order_of_their_numbers():
    """As text "10" would come before "2"."""
    names = [f"c{k}" for k in range(11)]
    for tree in (names, dict(enumerate(names)), {str(k): name for k, name in enumerate(names)}):
        session = FakeSession((64, 64), [np.zeros((1, 4 + 11, 9), np.float32)], {"names": str(tree)})
        assert YoloAdapter(session).classes == tuple(names)


@pytest.mark.parametrize("names", ["{0: 'a'", "a, b", "{'a': 0}", "3", "'ab'"])
def test_names_that_are_none(names):
    with pytest.raises(ValueError, match=r'the "names" in its metadata are .*: expected \{0: \'a\', 1: \'b\'\}'):
        YoloAdapter(FakeSession((64, 64), [np.zeros((1, 6, 9), np.float32)], {"names": names}))


def test_a_picodet_of_other_classes_is_not_given_those_of_cdla():
    outputs = [np.zeros((1, n, k), np.float32) for k in (3, 32) for n in (64, 16, 4, 1)]
    with pytest.raises(ValueError, match='3 scores a place, but 10 names: text, .*as "character" in its metadata'):
        PicoDetAdapter(FakeSession((64, 64), outputs, {}))
    assert PicoDetAdapter(FakeSession((64, 64), outputs, {"character": "a\nb\nc"})).classes == ("a", "b", "c")


def test_picodet_by_hand():
    size, counts = (64, 128), [(8 * 16), (4 * 8), (2 * 4), (1 * 2)]
    scores = [np.zeros((1, n, 2), np.float32) for n in counts]
    sides = [np.zeros((1, n, 32), np.float32) for n in counts]
    # second row, third column of stride 16: centre (40, 24); sides 1, 1, 2, 0 strides
    scores[1][0, 8 + 2, 1] = 0.7
    for side, strides in enumerate((1, 1, 2, 0)):
        sides[1][0, 10, 8 * side + strides] = 100
    teacher = OnnxTeacher(FakeSession(size, scores + sides, {"character": "a\nb"}), 0.05, WHO)
    boxes, found, classes = teacher.find(np.zeros((128, 128, 3), np.uint8), View(OWN_SIZE))
    assert np.allclose(boxes, [[24, 16, 72, 48]]) and found == pytest.approx([0.7]) and classes.tolist() == [1]
    session = teacher._session
    assert session.seen[0, :, 0, 0] == pytest.approx(-np.array([0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225])


def test_unknown_outputs():
    with pytest.raises(ValueError, match="no adapter for outputs"):
        OnnxTeacher(FakeSession((64, 64), [np.zeros((1, 2))], {}), 0.05, WHO)
    with pytest.raises(ValueError, match='no "names"'):
        YoloAdapter(FakeSession((64, 64), [np.zeros((1, 6, 9))], {}))
    with pytest.raises(ValueError, match="fixed H and W"):
        PicoDetAdapter(FakeSession(("h", "w"), [], {}))


def test_a_real_file(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    table = onnx.numpy_helper.from_array(np.array([[32, 32, 16, 16, 0.1, 0.9]], np.float32).T[None], "table")
    node = onnx.helper.make_node("Identity", ["table"], ["out"])
    image = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 64, 64])
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1, 6, 1])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [image], [out], [table]), opset_imports=[onnx.helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.helper.set_model_props(model, {"names": "{0: 'a', 1: 'b'}"})
    path = tmp_path / "tiny.onnx"
    onnx.save(model, path)
    teacher = open_onnx_teacher(path, 0.05)
    boxes, scores, classes = teacher.find(np.zeros((64, 64, 3), np.uint8), View(OWN_SIZE))
    assert boxes.tolist() == [[24, 24, 40, 40]] and classes.tolist() == [1]
    onnx.helper.set_model_props(model, {"names": "{0: 'a', 1: 'b', 2: 'c'}"})
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"other\.onnx: an output of 1x6x1: expected YOLOv8's 1x7xN"):
        open_onnx_teacher(tmp_path / "other.onnx", 0.05)
    assert teacher.identity.name == "tiny.onnx" and len(teacher.identity.weights_sha256) == 64
    (tmp_path / "bad.onnx").write_bytes(b"no")
    with pytest.raises(ValueError, match="bad.onnx: onnxruntime cannot read"):
        open_onnx_teacher(tmp_path / "bad.onnx", 0.05)
    with pytest.raises(ValueError, match="no file"):
        open_onnx_teacher(tmp_path / "none.onnx", 0.05)
