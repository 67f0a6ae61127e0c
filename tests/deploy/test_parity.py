"""How differences are counted, by hand."""

import numpy as np
import pytest

from dense_det.deploy import parity
from dense_det.deploy.parity import Difference, average_precisions, compare, difference, only_ties
from dense_det.deploy.runtime import paste
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


def found(*rows):
    """Boxes of 10 x 10 and of class 0, (left, score) each."""
    left = np.array([left for left, _ in rows], float).reshape(-1, 1)
    boxes = np.concatenate([left, left * 0, left + 10, left * 0 + 10], 1)
    return boxes, np.array([score for _, score in rows], float), np.zeros(len(rows), int)


def test_of_equal_scores_each_keeps_another():
    first = (0, 0.9)
    # of two that lie 4 px apart, each detector has suppressed another; and again at the limit of one
    assert only_ties(found(first, (20, 0.5)), found(first, (24, 0.5)))
    assert only_ties(found(first, (50, 0.5), (20, 0.4)), found(first, (50, 0.5), (80, 0.4)))
    assert only_ties(found(first), found(first))


def test_what_is_lost_is_no_tie():
    first = (0, 0.9)
    assert not only_ties(found(first, (20, 0.5)), found(first))
    assert not only_ties(found(), found(first))
    # a neighbour that both have does not stand in its place, nor does one that is worse, or of another class
    assert not only_ties(found(first, (4, 0.9)), found(first))
    assert not only_ties(found(first, (20, 0.5), (50, 0.5)), found(first, (24, 0.4), (50, 0.5)))
    two = found((20, 0.5), (50, 0.1))
    assert not only_ties(two, (*two[:2], np.array([1, 0])))
    # one that is better has no reason to be missing
    assert not only_ties(found(first, (20, 0.5), (50, 0.1)), found(first, (50, 0.1), (80, 0.1)))


class Shown:
    """A detector with a fault: it finds what `answers` says, the first as it is and the second with noise."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def read(self, file):
        return np.full((4, 5, 3), 255, np.uint8), (4, 5)

    def run(self, image):
        self.seen.append(image)
        return self.answers.pop(0)


@pytest.fixture
def model(monkeypatch):
    """Finds two boxes on the page, and the same with noise."""
    monkeypatch.setattr(parity, "found_by", lambda model, pixels: found((0, 0.9), (20, 0.5)))


def test_ties_are_looked_at_again_with_noise(model):
    tied = found((0, 0.9), (24, 0.5))
    detector = Shown(tied, found((0, 0.9), (20, 0.5)))
    assert compare(None, detector, ["pages/white.png"]) == Difference(both=2)
    plain, noisy = detector.seen
    assert (plain == 255).all() and sorted(np.unique(noisy)) == [252, 253, 254, 255]


def test_a_fault_that_looks_like_a_tie_stays_one(model):
    moved = found((0, 0.9), (24, 0.5))
    result = compare(None, Shown(moved, moved), ["pages/white.png"])
    assert result == Difference(both=1, only_one=2, images=("white.png",))


def test_a_box_that_is_lost_is_told_at_once(model):
    detector = Shown(found((0, 0.9)))
    assert compare(None, detector, ["a/b.png"]) == Difference(both=1, only_one=1, images=("b.png",))
    total = compare(None, Shown(found((0, 0.9)), found((0, 0.9), (20, 0.5))), ["a/b.png", "a/c.png"])
    assert (total.only_one, total.both, total.images) == (1, 3, ("b.png",))


def test_masks_and_their_scores():
    masks = np.zeros((2, 4, 4))
    ours = (*OURS, np.array([0.8, 0.5]), masks)
    moved = masks.copy()
    moved[1, 2, 3] = 0.25
    assert difference(ours, (*OURS, np.array([0.8, 0.4]), moved)) == Difference(
        score=pytest.approx(0.1), both=2, mask=0.25
    )


def test_mask_scores_above_one_differ_in_proportion():
    masks = np.zeros((2, 4, 4))
    found = difference((*OURS, np.array([20.0, 0.5]), masks), (*OURS, np.array([20.2, 0.495]), masks))
    assert found.score == pytest.approx(0.01) and found.only_one == 0


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


def test_masks_of_an_image_are_pasted_one_at_a_time(monkeypatch):
    """All in one array, 500 of an image of 100 megapixels would be 50 GB."""
    sizes = []
    monkeypatch.setattr(parity, "paste", lambda *words: sizes.append(len(words[0])) or paste(*words))

    class Whole:
        def read(self, file):
            return np.zeros((40, 60, 3), np.uint8), (40, 60)

    boxes = np.array([[10.0, 10, 30, 30], [40, 10, 50, 20], [0, 0, 5, 5]])
    found = (
        boxes,
        np.array([0.9, 0.8, 0.7]),
        np.zeros(3, int),
        np.array([0.9, 0.8, 0.7]),
        np.ones((3, 4, 4), np.float32),
    )
    truth = GroundTruth(
        images=[{"id": 7, "file_name": "a.png", "width": 60, "height": 40}], class_names=["a"], category_ids=[1],
        image=np.zeros(2, int), boxes_xywh=np.array([[10.0, 10, 20, 20], [40, 10, 10, 10]]), classes=np.zeros(2, int),
        crowd=np.zeros(2, bool), area=np.array([400.0, 100]),
        segmentations=[[[10, 10, 30, 10, 30, 30, 10, 30]], [[40, 10, 50, 10, 50, 20, 40, 20]]],
    )  # fmt: skip
    result = average_precisions(lambda _: found, Whole(), ["a.png"], truth)
    assert result == pytest.approx({"AP": 100, "mask AP": 100}) and sizes == [1, 1, 1]
    nothing = tuple(values[:0] for values in found)
    assert average_precisions(lambda _: nothing, Whole(), ["a.png"], truth) == pytest.approx({"AP": 0, "mask AP": 0})


def test_sum_over_images():
    assert Difference(0.5, 0.1, 2, 1) + Difference(0.2, 0.3, 4, 0, 0.7) == Difference(0.5, 0.3, 6, 1, 0.7)


def test_what_is_no_number_is_never_equal():
    """Python's max(0.0, nan) is 0.0."""
    masks, scores = np.zeros((2, 4, 4)), np.array([0.8, 0.5])
    holes = masks.copy()
    holes[1, 2, 3] = np.nan
    for ours in (masks, holes):
        assert np.isnan(difference((*OURS, scores, ours), (*OURS, scores, holes)).mask)
    assert np.isnan(difference((*OURS, scores, masks), (*OURS, np.array([np.nan, 0.5]), masks)).score)
    boxes = OURS[0].copy()
    boxes[1, 2] = np.nan
    assert np.isnan(difference((boxes, *OURS[1:]), (boxes, *OURS[1:])).box_px)
    one, nan = Difference(0.5, 0.1, 2, 1, 0.2), Difference(np.nan, np.nan, 1, 0, np.nan)
    for total in (one + nan, nan + one):
        assert np.isnan([total.box_px, total.score, total.mask]).all() and (total.both, total.only_one) == (3, 1)
