import csv

import numpy as np
import pytest
from matplotlib.image import imread

from dense_det.evaluation.confusion import confusion_matrix, plot_confusion, write_confusion_csv


def test_entries_by_hand(scene):
    truth, detections = scene
    assert confusion_matrix(truth, detections).tolist() == [
        # a, b, c, background
        [1, 1, 0, 1],  # a: found, taken for b, missed (image 2)
        [0, 0, 1, 0],  # b: taken for c, which scored higher
        [0, 0, 0, 0],
        [1, 2, 0, 0],  # an a on nothing; b twice where c was first; the a on the crowd is not judged
    ]


def test_above_a_threshold_only(scene):
    truth, detections = scene
    kept = detections.select(detections.scores > 0.85)
    assert confusion_matrix(truth, kept).tolist() == [[1, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_no_detections_and_no_ground_truth(make_truth):
    truth = make_truth([(0, 1, 0, 0, 9, 9)], class_names=("a", "b"))
    assert confusion_matrix(truth, make_truth.detections(truth, [])).tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    empty = make_truth([], class_names=("a",))
    found = make_truth.detections(empty, [(0, 0, 0, 0, 9, 9, 0.5)])
    assert confusion_matrix(empty, found).tolist() == [[0, 0], [1, 0]]


def test_csv_has_names_on_both_sides(tmp_path):
    write_confusion_csv(tmp_path / "m.csv", np.array([[3, 1], [2, 0]]), ["card, front"])
    with open(tmp_path / "m.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["true \\ detected", "card, front", "background"],
            ["card, front", "3", "1"],
            ["background", "2", "0"],
        ]


@pytest.mark.parametrize("num_classes", [1, 3, 40])
def test_the_picture_grows_with_the_classes(tmp_path, num_classes):
    matrix = np.eye(num_classes + 1, dtype=np.int64) * 12345
    plot_confusion(tmp_path / "m.png", matrix, [f"class {k}" for k in range(num_classes)], "title")
    height, width = imread(tmp_path / "m.png").shape[:2]
    side = {1: 2 * 0.8, 3: 4 * 0.8, 40: 41 * 0.26}[num_classes] * 110  # inches a cell, times dots an inch
    assert side < width < side + 400 and side < height < side + 400


def test_names_with_dollars_are_no_formulas(tmp_path):
    plot_confusion(tmp_path / "m.png", np.eye(3, dtype=np.int64), ["a_$x_$", r"US$ \frac$"], "title")
    assert (tmp_path / "m.png").stat().st_size
