"""The runtime without an engine: what it reads, shows and tells, by hand."""

import json
import sys

import numpy as np
import pytest
from detectron2.data.transforms import ResizeShortestEdge
from PIL import Image

from dense_det.data.mapper import read_image
from dense_det.deploy import runtime
from dense_det.deploy.runtime import Detector

FACTS = {"classes": ["Table", "Picture"], "thresholds": [0.5, 0.3], "min_size": 32, "max_size": 60}
FOUND = [
    np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 10, 10]], np.float32),
    np.array([0.6, 0.4, 0.4]),
    np.array([1, 0, 1]),
]


@pytest.fixture
def make_detector(tmp_path, monkeypatch):
    """A detector that always finds FOUND, and has the images that it was shown in `seen`."""

    def make(scaled_decode=False, **facts):
        seen = []
        monkeypatch.setitem(
            runtime._OPENERS,
            ".onnx",
            lambda *_: (lambda image: seen.append(image) or FOUND, json.dumps({**FACTS, **facts})),
        )
        (tmp_path / "model.onnx").touch()
        detector = Detector(tmp_path / "model.onnx", scaled_decode=scaled_decode)
        detector.seen = seen
        return detector

    return make


def test_boxes_in_pixels_of_the_image_and_a_threshold_for_each_class(make_detector):
    detector = make_detector()
    boxes, scores, names = detector.predict(np.zeros((64, 96, 3), np.uint8))
    assert detector.seen[0].shape == (1, 32, 48, 3)
    assert boxes.tolist() == [[2, 4, 6, 8], [18, 18, 20, 20]]
    assert scores.tolist() == [0.6, 0.4] and names == ["Picture", "Picture"]
    assert detector.predict(np.zeros((64, 96, 3), np.uint8), threshold=0.4).names == ["Picture", "Table", "Picture"]
    assert detector.predict(np.zeros((64, 96, 3), np.uint8), threshold=0.9).boxes.shape == (0, 4)


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (64, 64), (31, 200), (333, 417), (32, 32), (1, 500), (500, 1)])
def test_shown_at_the_size_of_testing(make_detector, size):
    height, width = ResizeShortestEdge.get_output_shape(*size, 32, 60)
    assert make_detector().shown_size(*size) == (max(height, 1), max(width, 1))
    assert make_detector(min_size=0).shown_size(*size) == size


def test_every_kind_of_file_as_training_reads_it(make_detector, tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (40, 30, 4), np.uint8)
    upright = Image.Exif()
    upright[0x0112] = 6
    kinds = {
        "rgb.png": (Image.fromarray(colours[..., :3]), {}),
        "grey.png": (Image.fromarray(colours[..., 0]), {}),
        "alpha.png": (Image.fromarray(colours), {}),
        "deep.png": (Image.fromarray(colours[..., 0].astype(np.uint16) * 257), {}),
        "turned.jpg": (Image.fromarray(colours[..., :3]), {"exif": upright}),
        "palette.gif": (Image.fromarray(colours[..., :3]).quantize(16), {}),
    }
    for name, (image, options) in kinds.items():
        image.save(tmp_path / name, **options)
        expected = read_image(tmp_path / name, "RGB")
        pixels, size = make_detector(min_size=0).read(tmp_path / name)
        assert np.array_equal(pixels, expected) and size == expected.shape[:2], name


@pytest.mark.parametrize("orientation", [1, 6])
def test_scaled_decoding_is_near(make_detector, tmp_path, orientation):
    y, x = np.mgrid[:200, :300]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = np.stack([x * 0.8, y, 255 - x * 0.8], 2).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "ramp.jpg", exif=exif, quality=95)
    exact, size = make_detector().read(tmp_path / "ramp.jpg")
    near, near_size = make_detector(scaled_decode=True).read(tmp_path / "ramp.jpg")
    assert size == near_size == ((200, 300) if orientation == 1 else (300, 200))
    assert near.shape == exact.shape and np.abs(near.astype(int) - exact).mean() < 2


def test_what_is_wrong(make_detector, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"expected an image \(H, W, 3\) uint8 in RGB order, got \(3, 4\) float64"):
        make_detector().predict(np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"expected a file named \*.onnx or \*.xml"):
        Detector("model.pth")
    with pytest.raises(ValueError, match="no file none.onnx: tools/export_model.py writes one"):
        Detector("none.onnx")
    monkeypatch.setitem(runtime._OPENERS, ".onnx", lambda *_: (None, None))
    with pytest.raises(ValueError, match="has no metadata 'dense_det'"):
        Detector(tmp_path / "model.onnx")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="pip install onnxruntime"):
        Detector(tmp_path / "model.onnx")
