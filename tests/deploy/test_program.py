"""A .pt2 file finds what the detector finds, at sizes that the export never saw."""

import json
from pathlib import Path

import pytest

from dense_det.deploy.delivery import Delivery, deliver
from dense_det.deploy.graph import deploy_graph
from dense_det.deploy.parity import Difference, difference, found_by
from dense_det.deploy.program import ProgramDetector, export_program

FACTS = {"classes": ["Täble", "b", "c"], "thresholds": [0.1, 0.2, 0.3], "min_size": 96, "max_size": 160}


def test_equal_at_any_size(make_detector, noise, tmp_path):
    model = make_detector("centermask")
    export_program(deploy_graph(model), tmp_path / "model.pt2", FACTS)
    written = ProgramDetector(tmp_path / "model.pt2")
    assert written.facts == json.loads(json.dumps(FACTS))
    total, counts = Difference(), set()
    for size in [(97, 131), (33, 200), (64, 40), (32, 32), (20, 20), (7, 5), (1, 1)]:
        found = written.run(noise(*size)[None])
        counts.add(len(found[0]))
        total += difference(found_by(model, noise(*size)), found)
    assert {0, 1} < counts and total.both > 20 and total.only_one == 0
    assert total.box_px < 1e-3 and total.score < 1e-5 and total.mask < 1e-4


def test_equal_boxes_of_a_file_without_suppression(graph_of_candidates, require_the_same, tmp_path):
    export_program(graph_of_candidates[0], tmp_path / "model.pt2", graph_of_candidates[1])
    require_the_same(ProgramDetector(tmp_path / "model.pt2"))


def test_another_kind_of_file():
    with pytest.raises(ValueError, match=r"expected a file named \*.pt2"):
        ProgramDetector("model.onnx")


def test_no_integers_for_programs():
    with pytest.raises(ValueError, match="--int8 is for .onnx and .xml"):
        next(deliver(None, {}, Delivery(Path("model.pt2"), (), calibration=(Path("a.png"),))))
