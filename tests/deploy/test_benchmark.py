"""Who is measured when, and figures worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from dense_det.deploy import benchmark as module
from dense_det.deploy.benchmark import Lineup, benchmark, benchmark_table
from dense_det.deploy.formats import Format
from dense_det.evaluation.ground_truth import load_ground_truth


class Pretended:
    """Reads images as (2, 3, 3) pixels of their number, and finds `box` in each."""

    def __init__(self, seen, name, box=(0, 0, 10, 10)):
        self.seen, self.name, self.box = seen, name, box

    def read(self, path):
        return np.full((2, 3, 3), int(Path(path).stem), np.uint8), (20, 30)

    def run(self, image):
        self.seen.append(f"{self.name}{image[0, 0, 0, 0]}")
        return np.array([self.box]) / 10, np.array([0.9]), np.array([0])


@pytest.fixture
def formats(tmp_path):
    (tmp_path / "m.pth").write_bytes(bytes(2_000_000))
    seen = []
    made = [
        Format("torch", tmp_path / "m.pth", Pretended(seen, "a")),
        Format("OpenVINO", tmp_path / "m.xml", None, "needs openvino: pip install openvino"),
        Format("ONNX Runtime", tmp_path / "m.onnx", Pretended(seen, "b", (0, 0, 10, 5))),
    ]
    return made, seen


def test_formats_take_turns_on_the_same_image(formats):
    made, seen = formats
    benchmark([Lineup(made, ["1.png", "2.png", "3.png"])], 3)
    # two turns to get warm, three that count; the images go on in their circle
    assert seen == ["a1", "b1", "a2", "b2", "a3", "b3", "a1", "b1", "a2", "b2"]


def test_detectors_take_turns_each_on_its_own_images(formats, monkeypatch):
    made, seen = formats
    other = Format("torch", made[0].file, Pretended(seen, "c"))
    benchmark([Lineup(made, ["1.png", "2.png", "3.png"]), Lineup([other], ["7.png"])], 3)
    assert seen[6:12] == ["a3", "b3", "c7", "a1", "b1", "c7"]  # one image comes again
    # a speedup is over the first of its own lineup
    monkeypatch.setattr(module, "interleaved_ms", lambda calls, rounds: [[10.0, 5.0, 40.0, 1, 1, 1]] * rounds)
    first, second = benchmark([Lineup(made, ["1.png"]), Lineup([other], ["7.png"])], 2)["lineups"]
    assert [row["speedup"] for row in first] == [1, None, 2]
    assert [(row["ms"], row["speedup"]) for row in second] == [(40, 1)]


def test_figures(formats, monkeypatch):
    made, _ = formats
    times = [[10.0, 5.0, 1, 1, 1], [20.0, 5.0, 1, 1, 1], [60.0, 10.0, 1, 1, 1]]
    monkeypatch.setattr(module, "interleaved_ms", lambda calls, rounds: times)
    result = benchmark([Lineup(made, ["1.png", "2.png", "3.png"])], 3)
    torch, openvino, onnx = result["lineups"][0]
    assert (torch["ms"], torch["ms_p95"], torch["speedup"], torch["megabytes"]) == (20, pytest.approx(56), 1, 2)
    assert torch["images_per_s"] == pytest.approx(3000 / 90)
    assert onnx["ms"] == 5 and onnx["speedup"] == 4  # of 2, 4 and 6
    assert openvino["ms"] is None and openvino["megabytes"] is None
    # 2 * 1024^3 operations in a millisecond are 2147 GFLOP/s, more than the convolution's 1208
    assert result["rounds"] == 3 and result["peak_gflops"] == pytest.approx(2147.48, abs=0.01)
    lines = benchmark_table(result["lineups"][0]).splitlines()
    assert lines[3].startswith("| OpenVINO (needs openvino: pip install openvino) |") and " 4.00 |" in lines[4]


def test_ap_is_that_of_each_format(formats, tmp_path):
    made, _ = formats
    # shown at a tenth of its size: the first box is right, the second half of it
    truth = """{"images": [{"id": 4, "file_name": "7.png", "width": 30, "height": 20}], "categories":
        [{"id": 1, "name": "card"}], "annotations": [{"id": 1, "image_id": 4, "category_id": 1, "iscrowd": 0,
        "bbox": [0, 0, 10, 10], "area": 100}]}"""
    (tmp_path / "val.json").write_text(truth)
    judged = Lineup(made, ["1.png"], load_ground_truth(tmp_path / "val.json"), ["7.png"])
    rows, others = benchmark([judged, Lineup(made, ["1.png"])], 1)["lineups"]
    assert [row["ap"] for row in others] == [None] * 3
    # IoU 0.5 is right at the first of ten thresholds
    assert [row["ap"] for row in rows] == [pytest.approx(100), None, pytest.approx(10)]
