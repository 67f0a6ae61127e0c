"""How differences are counted, by hand."""

import numpy as np
import pytest

from dense_det.deploy.parity import Difference, difference

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


def test_sum_over_images():
    assert Difference(0.5, 0.1, 2, 1) + Difference(0.2, 0.3, 4, 0, 0.7) == Difference(0.5, 0.3, 6, 1, 0.7)
