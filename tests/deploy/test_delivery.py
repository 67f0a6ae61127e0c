"""A file gets its name only if it finds what the detector finds; the export itself is faked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dense_det.deploy import delivery, parity
from dense_det.deploy.delivery import Delivery, deliver, target
from dense_det.deploy.parity import Difference, found_by
from dense_det.evaluation.ground_truth import GroundTruth

FACTS = {"classes": ["a", "b", "c"], "thresholds": [0.5] * 3, "min_size": 96, "max_size": 160}


class FakeDetector:
    """The detector's own inference, with boxes moved by `shift` pixels and the last `lost` of them left out."""

    facts = FACTS

    def __init__(self, model, shift=0.0, lost=0):
        self.model, self.shift, self.lost = model, shift, lost

    def read(self, path):
        pixels = np.asarray(Image.open(path))
        return pixels, pixels.shape[:2]

    def run(self, image):
        boxes, scores, classes = found_by(self.model, image[0])
        end = len(boxes) - self.lost
        return boxes[:end] + np.float32(self.shift), scores[:end], classes[:end]


@pytest.mark.parametrize(
    ("out", "kind", "int8", "file"),
    [
        (None, "onnx", False, "run/best.onnx"),
        (None, "openvino", True, "run/best_int8.xml"),
        ("there", "onnx", True, "there/best_int8.onnx"),
        ("there/mine.onnx", "onnx", True, "there/mine.onnx"),
        ("there/v1.2", "torch-export", False, "there/v1.2/best.pt2"),
    ],
)
def test_the_file_to_write(out, kind, int8, file):
    assert target(out and Path(out), Path("run/best.pth"), kind, int8) == Path(file)


def test_a_name_of_another_kind_is_no_folder(tmp_path):
    with pytest.raises(ValueError, match=r"--format openvino writes \*\.xml: give such a name, or a folder"):
        target(Path("mine.onnx"), Path("best.pth"), "openvino", False)
    (tmp_path / "mine.onnx").mkdir()
    assert target(tmp_path / "mine.onnx", Path("best.pth"), "onnx", False) == tmp_path / "mine.onnx" / "best.onnx"


def test_a_checkpoint_is_not_replaced(tmp_path):
    """OpenVINO's weights are a .bin beside the .xml, and pytorch_model.bin is what many a checkpoint is called."""
    weights = tmp_path / "pytorch_model.bin"
    weights.write_bytes(b"weights")
    link = tmp_path / "link.pth"
    link.symlink_to(weights)
    for source, out in ((weights, None), (link, tmp_path / "pytorch_model.xml")):
        with pytest.raises(ValueError, match="pytorch_model.bin is the checkpoint itself, .*: give another --out"):
            target(out, source, "openvino", False)
    (tmp_path / "pytorch_model.xml").touch()
    with pytest.raises(ValueError, match="pytorch_model.bin is the checkpoint itself"):
        target(None, weights, "openvino", False)
    assert target(None, weights, "openvino", True) == tmp_path / "pytorch_model_int8.xml"
    assert target(None, weights, "onnx", False) == tmp_path / "pytorch_model.onnx"
    program = tmp_path / "w.pt2"
    program.touch()
    with pytest.raises(ValueError, match="w.pt2 is the checkpoint itself"):
        target(None, program, "torch-export", False)


def test_a_bin_of_another_is_not_replaced(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"somebody's")
    with pytest.raises(ValueError, match="x.bin would be replaced, and without x.xml .*: give another --out"):
        target(tmp_path / "x.xml", tmp_path / "best.pth", "openvino", False)
    assert target(tmp_path / "x.onnx", tmp_path / "best.pth", "onnx", False)
    (tmp_path / "x.xml").touch()  # both are an export's, and are made anew
    assert target(tmp_path / "x.xml", tmp_path / "best.pth", "openvino", False) == tmp_path / "x.xml"


def test_a_file_without_suppression_says_so(make_detector, noise, tmp_path, monkeypatch):
    model, written = make_detector("retinanet"), []
    write = lambda graph, path, facts: written.append((graph, facts)) or path.touch()  # noqa: E731
    monkeypatch.setattr(delivery, "export_onnx", write)
    monkeypatch.setattr(delivery, "Detector", lambda path: FakeDetector(model))
    Image.fromarray(noise(96, 128)).save(tmp_path / "a.png")
    for suppress in (True, False):
        asked = Delivery(tmp_path / "a.onnx", (tmp_path / "a.png",), suppress=suppress)
        list(deliver(model, {**FACTS, "outputs": "boxes"}, asked))
    (inside, plain), (outside, facts) = written
    assert not inside.gives_candidates and "nms" not in plain and plain["outputs"] == "boxes"
    assert outside.gives_candidates and facts["nms"] == {"iou": 0.5, "most": 100}
    assert facts["outputs"].startswith("boxes; all candidates above least_score")


def test_masks_are_calibrated_on_what_is_found(make_detector, noise, tmp_path, monkeypatch):
    model, calibrated = make_detector("retinanet"), []
    for name, pixels in (("empty.png", noise(96, 128) * 0), ("full.png", noise(96, 128))):
        Image.fromarray(pixels).save(tmp_path / name)

    class Masks(FakeDetector):
        facts = FACTS | {"masks": True}

        def run(self, image):
            boxes, scores, classes = super().run(image)
            end = len(boxes) if image.any() else 0
            return boxes[:end], scores[:end], classes[:end], scores[:end], np.zeros((end, 2, 2), np.float32)

    def quantise(source, target, images, facts):
        calibrated.extend(images)
        assert (facts["precision"], facts["calibration_images"], facts["masks"]) == ("int8", 1, True)

    monkeypatch.setattr(delivery, "export_onnx", lambda graph, path, facts: path.write_bytes(b"12345"))
    monkeypatch.setattr(delivery, "quantise_onnx", quantise)
    monkeypatch.setattr(delivery, "Detector", lambda path: Masks(model))
    monkeypatch.setattr(delivery, "compare", lambda *_: Difference(both=1))
    monkeypatch.setattr(delivery, "megabytes", lambda file: 0.0)
    empty, full = tmp_path / "empty.png", tmp_path / "full.png"
    out = tmp_path / "out" / "model.onnx"
    assert list(deliver(model, Masks.facts, Delivery(out, (full,), calibration=(empty, full))))
    assert len(calibrated) == 1 and calibrated[0].any()
    with pytest.raises(ValueError, match="nothing is found in the 1 images of --int8"):
        list(deliver(model, Masks.facts, Delivery(out, (full,), calibration=(empty,))))


@pytest.fixture
def run(make_detector, noise, tmp_path, monkeypatch):
    """(shift, lost, **of Delivery) -> the lines, and the file."""
    model = make_detector("retinanet")
    Image.fromarray(noise(96, 128)).save(tmp_path / "a.png")

    def run(shift=0.0, lost=0, **arguments):
        monkeypatch.setattr(delivery, "export_onnx", lambda graph, path, facts: path.write_bytes(b"12345"))
        monkeypatch.setattr(delivery, "quantise_onnx", lambda _, target, *others: target.write_bytes(b"int8"))
        monkeypatch.setattr(delivery, "Detector", lambda path: FakeDetector(model, shift, lost))
        out = tmp_path / "out" / "model.onnx"
        return deliver(model, FACTS, Delivery(out, (tmp_path / "a.png",), **arguments)), out

    run.image, run.model = tmp_path / "a.png", model
    return run


def test_an_equal_file_is_delivered(run):
    lines, out = run()
    lines = list(lines)
    assert lines[0].startswith("1 images, ") and "at most 0 px and 0 of score apart; 0 boxes of one alone" in lines[0]
    assert out.read_bytes() == b"12345" and [path.name for path in out.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [({"shift": 0.01}, "boxes may differ by 0.001 px"), ({"lost": 2}, "2 boxes are found by one alone, in a.png")],
)
def test_another_is_not(run, fault, message):
    lines, out = run(**fault)
    with pytest.raises(ValueError, match=message):
        list(lines)
    assert not list(out.parent.iterdir())
    lines, out = run(**fault, allow_drop=True)
    assert list(lines) and out.exists()


def test_nothing_to_compare_is_no_proof(run, monkeypatch):
    monkeypatch.setattr(delivery, "compare", lambda *_: Difference())
    for eight_bits in ({}, {"calibration": (run.image,)}):
        lines, out = run(**eight_bits)
        with pytest.raises(ValueError, match="nothing is found in 1 images, so nothing was compared: give images with"):
            list(lines)
        assert not list(out.parent.iterdir())
    lines, out = run(allow_drop=True)
    assert list(lines) and out.exists()


def test_eight_bits_that_find_nothing_are_refused(run, monkeypatch):
    eight_bits = {"calibration": (run.image,)}
    lines, out = run(lost=len(found_by(run.model, FakeDetector(None).read(run.image)[0])[0]), **eight_bits)
    with pytest.raises(ValueError, match=r"none of the \d+ boxes is found by both within 1 px: calibrate on other"):
        list(lines)
    assert not list(out.parent.iterdir())
    monkeypatch.setattr(delivery, "compare", lambda *_: Difference(both=1, only_one=99))  # AP says at what cost
    lines, out = run(**eight_bits)
    assert list(lines) and out.exists()


@pytest.mark.parametrize("broken", ["mask_scores", "masks"])
def test_masks_that_are_no_numbers_are_refused(run, monkeypatch, broken):
    """By the file and the detector alike, and in 8 bits, too."""

    def with_masks(found):
        scores, masks = found[1].copy(), np.zeros((len(found[1]), 2, 2), np.float32)
        (scores if broken == "mask_scores" else masks)[1:2] = np.nan
        return *found, scores, masks

    plain = delivery.found_by
    monkeypatch.setattr(FakeDetector, "facts", FACTS | {"masks": True})
    monkeypatch.setattr(parity, "found_by", lambda model, pixels: with_masks(plain(model, pixels)))
    monkeypatch.setattr(FakeDetector, "run", lambda self, image: with_masks(plain(self.model, image[0])))
    for eight_bits in ({}, {"calibration": (run.image,)}):
        lines, out = run(**eight_bits)
        with pytest.raises(ValueError, match="not all that is found is a number .NaN."):
            list(lines)
        assert not list(out.parent.iterdir())


def test_large_inputs_have_no_other_limit(run, monkeypatch):
    monkeypatch.setattr(FakeDetector, "facts", FACTS | {"max_size": 1333})
    monkeypatch.setattr(delivery, "compare", lambda *a: Difference(box_px=0.0011, both=100))
    with pytest.raises(ValueError, match="boxes may differ by 0.001 px"):
        list(run()[0])
    monkeypatch.setattr(delivery, "compare", lambda *a: Difference(box_px=0.001, both=100))
    lines, out = run()
    assert "at most 0.001 px" in next(lines) and list(lines) and out.exists()


def test_a_tie_on_one_page_is_no_fault(run, monkeypatch):
    """Two boxes of equal scores that suppress each other: each engine keeps another, and what the other one leaves."""
    monkeypatch.setattr(delivery, "compare", lambda *a: Difference(both=1598, only_one=4))
    lines, out = run()
    assert "4 boxes of one alone" in next(lines) and list(lines) and out.exists()
    pages = tuple("abcde")
    monkeypatch.setattr(delivery, "compare", lambda *a: Difference(both=1598, only_one=8, images=pages))
    with pytest.raises(ValueError, match="8 boxes are found by one alone, in a, b, c and 2 more"):
        list(run()[0])


def truth_of(run):
    boxes, scores, classes = found_by(run.model, FakeDetector(None).read(run.image)[0])
    order = slice(0, 5)
    xywh = np.concatenate([boxes[order, :2], boxes[order, 2:] - boxes[order, :2]], 1).astype(np.float64)
    return GroundTruth(
        images=[{"id": 1, "file_name": "a.png", "width": 128, "height": 96}],
        class_names=["a", "b", "c"],
        category_ids=[1, 2, 3],
        image=np.zeros(5, int),
        boxes_xywh=xywh,
        classes=classes[order],
        crowd=np.zeros(5, bool),
        area=xywh[:, 2] * xywh[:, 3],
    )


def test_without_objects_there_is_no_ap_to_judge_eight_bits_by(run):
    truth = truth_of(run)
    truth = replace(
        truth, **{name: getattr(truth, name)[:0] for name in ("image", "boxes_xywh", "classes", "crowd", "area")}
    )
    labelled = {"truth": truth, "truth_files": (run.image,)}
    lines, out = run(calibration=(run.image,), **labelled)
    with pytest.raises(ValueError, match="AP has no value: no object of a, b, c .*, so nobody knows .*: give others"):
        list(lines)
    assert not list(out.parent.iterdir())
    lines, out = run(**labelled)  # an equal file needs no AP
    assert "AP has no value: no object of a, b, c that counts is in the labelled images" in list(lines) and out.exists()


def test_eight_bits_may_move_boxes_but_not_ap(run):
    truth = {"truth": truth_of(run), "truth_files": (run.image,), "calibration": (run.image,)}
    lines, out = run(shift=0.01, **truth)
    assert any(line.startswith("AP ") and line.endswith("after") for line in list(lines))
    assert out.read_bytes() == b"int8"
    lines, _ = run(shift=30.0, **truth)
    with pytest.raises(ValueError, match="AP may fall by 1.0"):
        list(lines)
