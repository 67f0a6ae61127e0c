"""The same face for every format, and those that are not there."""

import hashlib
import json

import numpy as np
import pytest

from dense_det.deploy import formats
from dense_det.deploy.formats import LiveDetector, exported_formats, megabytes, torch_formats
from dense_det.deploy.parity import difference
from dense_det.deploy.program import ProgramDetector

FACTS = {"classes": ["a", "b", "c"], "thresholds": [0.5] * 3, "min_size": 96, "max_size": 160}


def test_both_formats_of_torch_find_the_same(make_detector, noise, tmp_path):
    asked = []

    def load(channels_last):
        asked.append(channels_last)
        return make_detector("retinanet")

    eager, folded = torch_formats(load, tmp_path / "m.pth", FACTS)
    assert asked == [False, True]
    pixels, size = eager.detector.read(noise(192, 256))
    assert pixels.shape == (96, 128, 3) and size == (192, 256)
    found = difference(eager.detector.run(pixels[None]), folded.detector.run(pixels[None]))
    assert found.both > 5 and found.box_px < 1e-3 and found.only_one == 0


def test_a_threshold_is_the_class_s_own():
    detector = LiveDetector(None, FACTS)
    detector.run = lambda image: (np.zeros((2, 4), np.float32), np.array([0.6, 0.4]), np.array([1, 2]))
    assert detector.predict(np.zeros((96, 96, 3), np.uint8)).names == ["b"]


def test_what_is_missing_says_how_to_get_it(tmp_path, monkeypatch):
    def opened(path, threads):
        raise ImportError(f"{path} needs openvino: pip install openvino")

    monkeypatch.setattr(formats, "Detector", opened)
    (tmp_path / "m.pth").write_bytes(b"weights")
    (tmp_path / "m_int8.xml").write_bytes(b"123")
    (tmp_path / "m_int8.bin").write_bytes(b"4567")
    found = {each.name: each for each in exported_formats(tmp_path / "m.pth", FACTS, 1)}
    assert list(found) == ["ONNX Runtime", "ONNX Runtime int8", "OpenVINO", "OpenVINO int8"]
    assert found["ONNX Runtime"].missing == "no m.onnx: tools/export_model.py writes it"
    assert found["OpenVINO int8"].missing == "needs openvino: pip install openvino"
    assert found["OpenVINO int8"].megabytes == pytest.approx(7e-6) and found["OpenVINO"].megabytes is None


def test_a_file_of_other_weights_is_not_measured(tmp_path, monkeypatch):
    """A run's weights may be replaced, and a file copied there from elsewhere."""
    (tmp_path / "m.pth").write_bytes(b"weights")
    made_of = {"m.onnx": b"weights", "m_int8.onnx": b"weights of yesterday", "m.xml": None}

    class Opened(LiveDetector):
        def __init__(self, path, threads):
            if path.name not in made_of:
                raise ValueError(f"{path}: damaged, or no model of this kind")
            content = made_of[path.name]
            digest = {"weights_sha256": hashlib.sha256(content).hexdigest()} if content else {}
            super().__init__(None, FACTS | digest)

    monkeypatch.setattr(formats, "Detector", Opened)
    for name in (*made_of, "m_int8.xml"):
        (tmp_path / name).touch()
    own, yesterday, foreign, damaged = exported_formats(tmp_path / "m.pth", FACTS, 1)
    assert own.detector and not own.missing and not (yesterday.detector or foreign.detector or damaged.detector)
    assert yesterday.missing == "m_int8.onnx is of other weights: export again"
    assert foreign.missing == "m.xml is of other weights: export again"
    assert damaged.missing == "m_int8.xml: damaged, or no model of this kind"


def test_a_file_of_other_settings_is_not_measured(tmp_path, monkeypatch):
    """Its time would be of one size, and its AP of another."""
    (tmp_path / "m.pth").write_bytes(b"weights")
    facts = FACTS | {"weights_sha256": hashlib.sha256(b"weights").hexdigest(), "nms_iou": 0.5, "config_sha256": "a"}
    facts["candidates_per_level"] = 1000
    others = {
        "m.onnx": {"thresholds": [0.4] * 3, "config_sha256": "b", "precision": "int8"},  # which change neither
        "m_int8.onnx": {"min_size": 128, "max_size": 200},
        "m.xml": {"nms_iou": 0.6, "candidates_per_level": 400},
        "m_int8.xml": {"classes": ["a", "b", "d"]},
    }

    class Opened(LiveDetector):
        def __init__(self, path, threads):
            super().__init__(None, facts | others[path.name])

    monkeypatch.setattr(formats, "Detector", Opened)
    for name in others:
        (tmp_path / name).touch()
    found = exported_formats(tmp_path / "m.pth", json.loads(json.dumps(facts)), 1)
    assert [bool(each.detector) for each in found] == [True, False, False, False] and not found[0].missing
    words = "its min_size 128, the detector's 96, its max_size 200, the detector's 160"
    assert found[1].missing == f"m_int8.onnx is of other settings: export again ({words})"
    words = "its candidates_per_level 400, the detector's 1000, its nms_iou 0.6, the detector's 0.5"
    assert found[2].missing == f"m.xml is of other settings: export again ({words})"
    del facts["nms_iou"], facts["candidates_per_level"]  # as in an older file: the detector's own are there
    assert exported_formats(tmp_path / "m.pth", facts | {"nms_iou": 0.5, "candidates_per_level": 7}, 1)[0].detector


def test_a_file_without_suppression_is_of_another_kind(tmp_path, monkeypatch):
    (tmp_path / "m.pth").write_bytes(b"weights")
    (tmp_path / "m.onnx").touch()
    facts = FACTS | {"weights_sha256": hashlib.sha256(b"weights").hexdigest(), "nms_iou": 0.5}

    class Opened(LiveDetector):
        def __init__(self, path, threads):
            super().__init__(None, facts | {"nms": {"iou": 0.5, "most": 100}})

    monkeypatch.setattr(formats, "Detector", Opened)
    found = exported_formats(tmp_path / "m.pth", facts, 1)[0]
    assert found.detector is None and found.missing == "m.onnx was made with --nms outside: export again"


def test_a_program_of_torch_is_run_where_it_is_trusted(tmp_path, monkeypatch):
    (tmp_path / "m.pth").write_bytes(b"weights")
    digest = {"weights_sha256": hashlib.sha256(b"weights").hexdigest()}
    monkeypatch.setitem(ProgramDetector.openers, ".pt2", lambda *_: (lambda image: "found", json.dumps(FACTS | digest)))
    assert exported_formats(tmp_path / "m.pth", FACTS, 1, True)[4].missing == (
        "no m.pt2: tools/export_model.py --format torch-export writes it"
    )
    (tmp_path / "m.pt2").touch()
    assert "torch.export" not in [each.name for each in exported_formats(tmp_path / "m.pth", FACTS, 1)]
    *_, program = exported_formats(tmp_path / "m.pth", FACTS, 1, trust_pickle=True)
    assert program.name == "torch.export" and not program.missing and program.detector.run(None) == "found"


def test_metadata_changed_by_hand_is_named(tmp_path, monkeypatch):
    metadata = json.dumps(FACTS | {"min_size": -5})
    monkeypatch.setitem(formats.Detector.openers, ".onnx", lambda *_: (None, metadata))
    for name in ("m.pth", "m.onnx"):
        (tmp_path / name).touch()
    found = exported_formats(tmp_path / "m.pth", FACTS, 1)[0]
    assert found.detector is None and found.missing.startswith("m.onnx: its metadata 'dense_det' was changed: ")


def test_the_bin_counts_with_an_xml_alone(tmp_path):
    (tmp_path / "m.bin").write_bytes(bytes(1_000_000))
    (tmp_path / "m.onnx").write_bytes(bytes(500_000))
    assert megabytes(tmp_path / "m.onnx") == 0.5
    assert megabytes(tmp_path / "m.xml") == 1.0
