import numpy as np
import pytest
import torch

from dense_det.speed.pictures import (
    EXACT,
    FILES,
    LABELS,
    PREPARED,
    R50,
    SCALED,
    TEACHER,
    THEIRS,
    boxes_race,
    reading_race,
)


def test_reading_gives_the_pixels_of_detectron2(tmp_path):
    race = reading_race(tmp_path, (640, 480), 240)
    calls = race.calls | {THEIRS: race.calls[THEIRS].make()}
    theirs, exact, scaled = (calls[name]().astype(float) for name in (THEIRS, EXACT, SCALED))
    assert np.array_equal(theirs, calls[f"{THEIRS}{PREPARED}"]())
    assert theirs.shape == exact.shape == scaled.shape == (240, 320, 3)
    assert np.abs(theirs - exact).mean() <= 0.02 and 0 < np.abs(theirs - scaled).mean() < 10
    assert [goal.least for goal in race.goals] == [2.5, 4]


def test_small_files_are_not_decoded_smaller(tmp_path):
    race = reading_race(tmp_path, (320, 240), 200)
    assert SCALED not in race.calls and [goal.fast for goal in race.goals] == [EXACT]


@pytest.fixture
def exported_to(monkeypatch, tmp_path):
    """Engines without their packages: what they would run is noted."""
    opened = []

    class Noted:
        def __init__(self, file, threads, scaled_decode):
            opened.append((file, threads, scaled_decode))
            self.predict_all = lambda paths: [(file, path) for path in paths]

    monkeypatch.setattr("dense_det.speed.pictures.Detector", Noted)
    monkeypatch.setattr(
        "dense_det.speed.pictures.export_trials",
        lambda model, facts, folder, images: {"onnxruntime": "float.onnx", "OpenVINO int8": "int8.xml"},
    )
    return opened


@torch.inference_mode()
def test_from_a_file_to_boxes(tmp_path, exported_to):
    race = boxes_race(tmp_path, (320, 240), 96, 2)
    assert exported_to == [
        ("float.onnx", 2, False), ("float.onnx", 2, True), ("int8.xml", 2, False), ("int8.xml", 2, True)
    ]  # fmt: skip
    assert race.repeats == FILES
    threads = torch.get_num_threads()
    by_detectron2 = race.calls["SNet by DefaultPredictor"].make()()[-1]["instances"]
    labelled = race.calls[TEACHER].make()()
    assert torch.get_num_threads() == 1  # as a worker has it
    torch.set_num_threads(threads)
    assert len(by_detectron2) and by_detectron2.image_size == (240, 320)
    assert [found.image_id for found in labelled] == list(range(FILES))
    # the same weights, folded: the best boxes are the same
    boxes = by_detectron2.pred_boxes.tensor.numpy()[:5]
    assert np.allclose(by_detectron2.scores[:5], labelled[-1].scores[:5], atol=1e-3)
    assert np.allclose(boxes, labelled[-1].boxes[:5], atol=0.5)
    assert race.calls["SNet in OpenVINO int8, scaled decode"]() == [("int8.xml", tmp_path / "page.jpg")] * FILES
    assert {goal.slow for goal in race.goals} == {f"{R50} by DefaultPredictor", "SNet by DefaultPredictor"}
    assert all(goal.slow in race.calls and goal.fast in race.calls for goal in race.goals)
    settings, path, lanes = race.calls[f"SNet in OpenVINO int8, {SCALED}, {LABELS}"].make.args
    assert (settings.onnx, settings.detectors, settings.scaled_decode) == (("int8.xml",), (), True)
    assert path == tmp_path / "page.jpg" and lanes == 2
    settings = race.calls[f"SNet in onnxruntime, {LABELS}"].make.args[0]
    assert (settings.onnx, settings.scaled_decode) == (("float.onnx",), False)
    assert [goal.least for goal in race.goals] == [2, 2, 5, 40]
