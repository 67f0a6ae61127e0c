import numpy as np
import pytest

from dense_det.evaluation.curves import OperatingPoint, class_curves, make_curve, score_thresholds
from dense_det.evaluation.matching import match


def test_two_boxes_by_hand():
    # by falling score: found (.9), false (.8), found (.7)
    curve = make_curve(np.array([0.7, 0.9, 0.8]), np.array([True, True, False]), num_truth=2)
    assert curve.scores.tolist() == [0.9, 0.8, 0.7]
    assert curve.precision == pytest.approx([1, 1 / 2, 2 / 3]) and curve.recall == pytest.approx([0.5, 0.5, 1])
    assert curve.envelope() == pytest.approx([1, 2 / 3, 2 / 3])
    assert curve.average_precision() == pytest.approx((51 + 50 * 2 / 3) / 101)
    # F1: 2/3 at .9, 1/2 at .8, 0.8 at .7
    best = curve.best()
    assert (best.threshold, best.recall) == (0.7, 1) and best.f1 == pytest.approx(0.8)
    assert best.precision == pytest.approx(2 / 3)


def test_equal_scores_stand_or_fall_together():
    # keeping the first .5 alone would be perfect, but no threshold can do that
    curve = make_curve(np.array([0.5, 0.5, 0.5]), np.array([True, False, False]), num_truth=1)
    assert curve.best().f1 == pytest.approx(0.5) and curve.best().precision == pytest.approx(1 / 3)


def test_of_equal_f1_the_higher_threshold_is_taken():
    # F1 of {.9}: 1 of 1, 1 of 2 -> 2/3; of all four: 2 of 4, 2 of 2 -> 2/3
    curve = make_curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, False, True]), num_truth=2)
    assert curve.best().threshold == 0.9


def test_no_detection_and_no_true_one():
    empty = make_curve(np.zeros(0), np.zeros(0, bool), num_truth=3)
    assert empty.average_precision() == 0 and empty.best() is None
    false = make_curve(np.array([0.5]), np.array([False]), num_truth=3)
    assert false.average_precision() == 0 and false.best() is None


def test_nothing_to_find_is_refused():
    with pytest.raises(ValueError, match="num_truth = 0"):
        make_curve(np.zeros(1), np.zeros(1, bool), num_truth=0)


def test_curves_of_the_scene(scene):
    truth, detections = scene
    curves = class_curves(truth, detections, match(truth, detections, 0.5))
    assert curves[2] is None  # c has no boxes to find
    # a: found (.9), false (.4), the one on the crowd is not judged; 3 boxes to find
    assert curves[0].precision == pytest.approx([1, 1 / 2]) and curves[0].recall == pytest.approx([1 / 3, 1 / 3])
    # b: false (.9, image 1), found (.7), double (.6); 1 box to find
    assert curves[1].precision == pytest.approx([0, 1 / 2, 1 / 3])
    assert curves[1].best().threshold == pytest.approx(0.7)


def test_classes_without_a_best_point_take_the_median_of_the_others():
    points = [OperatingPoint(threshold, 1, 1, 1) for threshold in (0.2, 0.4, 0.9)]
    assert score_thresholds([points[0], None, points[1], points[2]]).tolist() == [0.2, 0.4, 0.4, 0.9]
    assert score_thresholds([None, None]).tolist() == [0.5, 0.5]
