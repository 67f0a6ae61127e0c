import csv
import json

import numpy as np
import pytest

from dense_det.evaluation.curves import OperatingPoint
from dense_det.evaluation.tables import (
    add_mask_columns,
    markdown_table,
    per_class_rows,
    write_metrics,
    write_per_class,
    write_thresholds,
)

NAN = float("nan")
POINTS = [OperatingPoint(0.25, 0.5, 1.0, 2 / 3), None]


@pytest.fixture
def rows():
    ap = np.array([0.5, NAN])
    return per_class_rows(["Table", "a|b"], ap, ap, np.array([0.25, NAN]), np.array([2, 0]), np.array([4, 1]), POINTS)


def test_per_class_csv(tmp_path, rows):
    write_per_class(tmp_path / "c.csv", tmp_path / "c.md", rows)
    with open(tmp_path / "c.csv", newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == "class AP AP50 AP75 ground_truth detections threshold precision recall F1".split()
    assert table[1] == ["Table", "50.0", "50.0", "25.0", "2", "4", "0.25", "50.0", "100.0", "66.6667"]
    assert table[2] == ["a|b", "", "", "", "0", "1", "", "", "", ""]
    assert (tmp_path / "c.md").read_text() == markdown_table(rows)


def test_markdown_shows_a_dash_where_there_is_no_number(rows):
    lines = markdown_table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1  # aligned
    assert lines[2].split() == "| Table | 50.0 | 50.0 | 25.0 | 2 | 4 | 0.250 | 50.0 | 100.0 | 66.7 |".split()
    assert lines[3].split() == "| a\\|b | - | - | - | 0 | 1 | - | - | - | - |".split()


def test_metrics_are_valid_json_and_csv(tmp_path):
    write_metrics(
        tmp_path / "m.json", tmp_path / "m.csv", {"images": 3, "bbox/AP": 12.3456789, "bbox/APs": NAN, "x": None}
    )
    text = (tmp_path / "m.json").read_text()
    assert "NaN" not in text
    assert json.loads(text) == {"images": 3, "bbox/AP": 12.3456789, "bbox/APs": None, "x": None}
    assert (tmp_path / "m.csv").read_text() == "metric,value\nimages,3\nbbox/AP,12.345679\nbbox/APs,\nx,\n"


def test_thresholds_are_null_without_a_true_detection(tmp_path):
    write_thresholds(tmp_path / "t.json", ["Table", "Überschrift"], POINTS)
    assert json.loads((tmp_path / "t.json").read_text()) == {
        "Table": {"threshold": 0.25, "precision": 0.5, "recall": 1.0, "f1": 0.666667},
        "Überschrift": None,
    }


def test_the_detection_that_gives_the_threshold_reaches_it(tmp_path):
    score = np.float32(0.3850147)
    write_thresholds(tmp_path / "t.json", ["Table"], [OperatingPoint(float(score), 1 / 3, 1.0, 0.5)])
    row = json.loads((tmp_path / "t.json").read_text())["Table"]
    assert score >= np.float32(row["threshold"]) and float(score) >= row["threshold"]
    assert row["precision"] == 0.333333


def test_masks_have_columns_of_their_own(tmp_path, rows):
    add_mask_columns(rows, np.array([0.5, NAN]), np.array([0.75, NAN]), np.array([0.25, NAN]))
    assert [rows[0][key] for key in ("segm_AP", "segm_AP50", "segm_AP75")] == [50, 75, 25]
    write_per_class(tmp_path / "c.csv", tmp_path / "c.md", rows)
    head, first, second = (tmp_path / "c.csv").read_text().splitlines()
    assert head.endswith("F1,segm_AP,segm_AP50,segm_AP75") and first.endswith(",50.0,75.0,25.0")
    assert second.endswith(",,,")
    lines = markdown_table(rows).splitlines()
    assert lines[0].endswith("| segm_AP | segm_AP50 | segm_AP75 |") and len({len(line) for line in lines}) == 1
