"""How differences are counted, by hand."""

import numpy as np
import pytest

from dense_det.deploy.parity import Difference, average_precisions, difference
from dense_det.evaluation.ground_truth import GroundTruth

OURS = (np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]]), np.array([0.9, 0.5]), np.array([0, 1]))


def test_order_does_not_matter_and_the_largest_counts():
    boxes = np.array([[20, 20, 30, 30.5], [0, 0.25, 10, 10]])
    found = difference(OURS, (boxes, np.array([0.5, 0.8]), np.array([1, 0])))
    assert found == Difference(0.5, pytest.approx(0.1), both=2, only_one=0)
    assert difference(OURS, OURS) == Difference(both=2)


def test_boxes_that_only_one_has():
    moved = (OURS[0] + [[0], [2]], OURS[1], OURS[2])
    assert difference(OURS, moved) == Difference(both=1, only_one=2)
    assert difference(OURS, (OURS[0], OURS[1], OURS[2][::-1])) == Difference(only_one=4)
    nothing = tuple(x[:0] for x in OURS)
    assert difference(OURS, nothing) == difference(nothing, OURS) == Difference(only_one=2)


def test_masks_and_their_scores():
    masks = np.zeros((2, 4, 4))
    ours = (*OURS, np.array([0.8, 0.5]), masks)
    moved = masks.copy()
    moved[1, 2, 3] = 0.25
    assert difference(ours, (*OURS, np.array([0.8, 0.4]), moved)) == Difference(
        score=pytest.approx(0.1), both=2, mask=0.25
    )


def test_twins_are_matched_one_to_one_by_score():
    twins = (np.zeros((2, 4)), np.array([0.9, 0.1]), np.zeros(2, int))
    assert difference(twins, tuple(x[::-1] for x in twins)) == Difference(both=2)


def test_average_precision_of_boxes_and_masks():
    """Shown at half its size, an object is found where it is, and its mask fills the left half alone: no match."""

    class Halved:
        def read(self, file):
            return np.zeros((20, 30, 3), np.uint8), (40, 60)

    masks = np.zeros((1, 4, 4), np.float32)
    masks[:, :, :2] = 1
    found = np.array([[5.0, 5, 15, 15]]), np.array([0.9]), np.array([0])
    box = [10.0, 10, 20, 20]
    truth = GroundTruth(
        images=[{"id": 7, "file_name": "a.png", "width": 60, "height": 40}], class_names=["a"], category_ids=[1],
        image=np.zeros(1, int), boxes_xywh=np.array([box]), classes=np.zeros(1, int), crowd=np.zeros(1, bool),
        area=np.array([400.0]), segmentations=[[[10, 10, 30, 10, 30, 30, 10, 30]]],
    )  # fmt: skip
    whole = masks * 0 + 1
    for drawn, expected in ((masks, {"AP": 100, "mask AP": 0}), (whole, {"AP": 100, "mask AP": 100})):
        result = average_precisions(lambda _, drawn=drawn: (*found, found[1], drawn), Halved(), ["a.png"], truth)
        assert result == pytest.approx(expected)
    assert average_precisions(lambda _: found, Halved(), ["a.png"], truth) == pytest.approx({"AP": 100})


def test_sum_over_images():
    assert Difference(0.5, 0.1, 2, 1) + Difference(0.2, 0.3, 4, 0, 0.7) == Difference(0.5, 0.3, 6, 1, 0.7)
