"""A teacher from an exported file: views by hand with a fake detector, and recognised by its metadata."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from dense_det.deploy import runtime
from dense_det.distillation.exported_teacher import ExportedTeacher, open_exported_teacher
from dense_det.distillation.onnx_teacher import open_onnx_teacher
from dense_det.distillation.teacher import Identity
from dense_det.distillation.views import OWN_SIZE, View

FACTS = {"classes": ["a", "b"], "thresholds": [0.3, 0.6], "min_size": 32, "max_size": 40, "least_score": 0.1,
         "config_sha256": "c" * 64}  # fmt: skip
FOUND = (np.array([[0, 0, 8, 8], [10, 0, 20, 16]], np.float32), np.array([0.9, 0.04], np.float32), np.array([1, 0]))


def teacher(**facts):
    """Always finds FOUND; `shown` has what it was shown."""
    shown = []
    facts = {**FACTS, **facts}
    detector = SimpleNamespace(facts=facts, classes=("a", "b"), run=lambda image: shown.append(image) or FOUND)
    made = ExportedTeacher(detector, 0.05, Identity("export", "c", "w", "m.onnx"))
    made.shown = shown
    return made


def test_a_view_by_hand():
    found = teacher()
    assert found.views == (View(32),) and found.classes == ("a", "b") and found.thresholds == {"a": 0.3, "b": 0.6}
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32] = 255
    boxes, scores, classes = found.find(image, View(32))
    assert found.shown[0].shape == (1, 32, 32, 3) and found.shown[0].dtype == np.uint8
    assert boxes.tolist() == [[0, 0, 16, 16]] and scores == pytest.approx([0.9]) and classes.tolist() == [1]
    boxes, _, _ = found.find(image, View(16, flip=True))
    assert found.shown[1].shape == (1, 16, 16, 3) and found.shown[1][0, 0, :, 0].tolist()[-1] == 255
    assert boxes.tolist() == [[32, 0, 64, 32]]


def test_masks_in_boxes_of_others():
    masks = np.zeros((2, 2, 2), np.float32)
    masks[0, :, 0] = 1  # the left half of (0, 0, 8, 8), of class 1
    found = teacher(masks=True)
    found._detector.run = lambda image: (*FOUND, FOUND[1], masks)
    image = np.zeros((64, 64, 3), np.uint8)
    assert found.has_masks and not teacher().has_masks
    boxes, classes = np.array([[0, 0, 16, 16], [0, 0, 8, 16], [0, 0, 16, 16], [40, 40, 50, 50]]), [1, 1, 0, 1]
    drawn = found.masks(image, View(32), boxes, classes)
    assert drawn.dtype == np.float32 and drawn[0].tolist() == masks[0].tolist()
    # cells of the half box have their centres at 2 and 6, the file's own at 4 and 12
    assert drawn[1].tolist() == [[0.75, 0.75], [0.75, 0.75]]
    # no box of class 0 there, none of class 1 there: no vote
    assert (drawn[2:] == 0.5).all()
    # mirrored, the file's own box is (48, 0, 64, 16) of the image, and its left is the image's right
    flipped = found.masks(image, View(32, flip=True), np.array([[48, 0, 64, 16]]), [1])
    assert flipped[0].tolist() == [[0, 1], [0, 1]]


def test_a_view_is_looked_at_once():
    found = teacher()
    image = np.zeros((64, 64, 3), np.uint8)
    for view in (View(32), View(32), View(16), View(32)):
        found.find(image, view)
    assert len(found.shown) == 2
    found.find(image.copy(), View(32))
    assert len(found.shown) == 3


def test_the_longer_edge_keeps_its_ratio():
    found = teacher()
    found.find(np.zeros((64, 256, 3), np.uint8), View(16))  # 16 x 64, but at most 40 / 32 of 16 long
    assert found.shown[0].shape == (1, 5, 20, 3)
    found = teacher(min_size=0)
    assert found.views == (View(OWN_SIZE),)
    found.find(np.zeros((64, 256, 3), np.uint8), View(OWN_SIZE))
    assert found.shown[0].shape == (1, 64, 256, 3)


def test_openvino_by_its_name(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(runtime.Detector.openers, ".xml", lambda *_: (lambda image: FOUND, json.dumps(FACTS)))
    (tmp_path / "m.xml").write_text("graph")
    (tmp_path / "m.bin").write_bytes(b"weights")
    first = open_onnx_teacher(tmp_path / "m.xml", 0.05)
    assert "no boxes with scores below 0.1" in caplog.text
    assert (first.identity.kind, first.identity.config_sha256, first.identity.name) == ("export", "c" * 64, "m.xml")
    (tmp_path / "m.bin").write_bytes(b"others")
    assert open_exported_teacher(tmp_path / "m.xml", 0.2).identity.weights_sha256 != first.identity.weights_sha256


def test_metadata_that_say_less(tmp_path, monkeypatch, caplog):
    facts = {key: value for key, value in FACTS.items() if key != "least_score"}
    opener = lambda *_: (lambda image: FOUND, json.dumps(facts))  # noqa: E731
    monkeypatch.setitem(runtime.Detector.openers, ".xml", opener)
    (tmp_path / "m.xml").write_text("graph")
    (tmp_path / "m.bin").write_bytes(b"weights")
    assert open_exported_teacher(tmp_path / "m.xml", 0.05).identity.kind == "export" and not caplog.text
    del facts["config_sha256"]
    with pytest.raises(ValueError, match="m.xml: its metadata has no config_sha256: export it again"):
        open_exported_teacher(tmp_path / "m.xml", 0.05)


def test_onnx_by_its_metadata(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto
    constants = [onnx.numpy_helper.from_array(array, name) for array, name in zip(FOUND, "bsc")]
    nodes = [
        helper.make_node("Identity", [source], [name]) for source, name in zip("bsc", ("boxes", "scores", "classes"))
    ]
    outputs = [
        helper.make_tensor_value_info("boxes", kinds.FLOAT, [2, 4]),
        helper.make_tensor_value_info("scores", kinds.FLOAT, [2]),
        helper.make_tensor_value_info("classes", kinds.INT64, [2]),
    ]
    image = helper.make_tensor_value_info("image", kinds.UINT8, [1, "h", "w", 3])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image], outputs, constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    helper.set_model_props(model, {runtime.KEY: json.dumps(FACTS)})
    onnx.save(model, tmp_path / "m.onnx")
    found = open_onnx_teacher(tmp_path / "m.onnx", 0.05)
    assert isinstance(found, ExportedTeacher)
    assert found.find(np.zeros((64, 64, 3), np.uint8), View(32))[0].tolist() == [[0, 0, 16, 16]]
