import numpy as np
import pytest

from dense_det.distillation.selection import (
    density_thresholds,
    expected_calibration_error,
    kth_highest,
    precision_threshold,
    quality,
    refusals,
    validated_thresholds,
)
from dense_det.evaluation.curves import make_curve
from dense_det.evaluation.detections import gather_detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import match


def once(scores, classes):
    scores, classes = np.array(scores, np.float32), np.array(classes)
    return lambda: [(scores[:2], classes[:2]), (scores[2:], classes[2:])]


def test_the_kth_highest_by_hand():
    batches = once([0.9, 0.2, 0.5, 0.7, 0.1], [0, 1, 0, 1, 0])
    assert kth_highest(batches, [2, 1]).tolist() == np.array([0.5, 0.7], np.float32).tolist()
    # beyond the end, the lowest; none asked for, and none there: nothing is kept
    assert kth_highest(batches, [9, 0, 3]).tolist() == [np.float32(0.1), np.inf, np.inf]


@pytest.mark.parametrize("seed", range(5))
def test_the_kth_highest_is_that_of_sorting(seed):
    rng = np.random.default_rng(seed)
    scores, classes = rng.random(3000).astype(np.float32), rng.integers(0, 3, 3000)
    scores[:500] = scores[500:1000]  # equal ones
    scores[1000:1500] = (0.5 + rng.random(500) * 1e-5).astype(np.float32)  # that differ in the last bits only
    ranks = [1, 400, 900]
    parts = [(scores[i : i + 700], classes[i : i + 700]) for i in range(0, 3000, 700)]
    expected = [np.sort(scores[classes == k])[::-1][rank - 1] for k, rank in enumerate(ranks)]
    assert kth_highest(lambda: iter(parts), ranks).tolist() == expected


def test_density_leaves_as_many_boxes_as_the_labelled_images_have():
    batches = once([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0, 0, 0, 0, 1, 1])
    # 10 labelled images with 10 and 5 objects: 1.5 an image; on 2 images three boxes, or two and one
    assert density_thresholds(batches, 2, [10, 5], 10, per_class=False) == pytest.approx([0.7, 0.7])
    assert density_thresholds(batches, 2, [10, 5], 10, per_class=True) == pytest.approx([0.8, 0.5])


def test_the_threshold_of_a_precision():
    #                     precision 1, 1/2, 2/3, 3/4, 3/5
    curve = make_curve(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([True, False, True, True, False]), 4)
    assert precision_threshold(curve, 0.7) == 0.6
    assert precision_threshold(curve, 0.9) == 0.9
    tied = make_curve(np.array([0.9, 0.9]), np.array([True, False]), 1)
    assert precision_threshold(tied, 0.6) == np.inf  # 0.9 keeps both


def test_calibration_by_hand():
    # two boxes near 0.95, one right: 0.45 off; one at 0.25, wrong: 0.25 off
    assert expected_calibration_error([0.95, 0.95, 0.25], [1, 0, 0]) == pytest.approx((0.9 + 0.25) / 3)
    assert expected_calibration_error([0.1, 0.05], [1, 1]) == pytest.approx(0.925)  # 0.1 is in the first bin
    assert np.isnan(expected_calibration_error([], []))


@pytest.mark.parametrize("seed", range(3))
def test_calibration_is_that_of_a_loop(seed):
    rng = np.random.default_rng(seed)
    scores, right = rng.random(200), rng.random(200) < 0.5
    error = 0.0
    for k in range(10):
        rows = [i for i in range(200) if k / 10 < scores[i] <= (k + 1) / 10]
        error += abs(sum(scores[i] - right[i] for i in rows)) / 200
    assert expected_calibration_error(scores, right) == pytest.approx(error)


def judged():
    """Two images, three objects of class 0, one of class 1; four boxes, three right."""
    images = [{"id": 1}, {"id": 2}]
    boxes = np.array([[0, 0, 10, 10], [20, 0, 10, 10], [0, 0, 10, 10], [50, 50, 10, 10]], np.float64)
    truth = GroundTruth(
        images,
        ["a", "b"],
        [1, 2],
        np.array([0, 0, 1, 1]),
        boxes,
        np.array([0, 0, 0, 1]),
        np.zeros(4, bool),
        np.full(4, 1e2),
    )
    first = (1, np.array([[0, 0, 10, 10], [80, 80, 90, 90]], np.float32), np.array([0.9, 0.8]), np.array([0, 0]))
    second = (2, np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32), np.array([0.6, 0.5]), np.array([0, 1]))
    detections = gather_detections([first, second], truth)
    return truth, detections, match(truth, detections, 0.5)


def test_quality_by_hand():
    found = quality(*judged(), np.array([0.7, 0.7], np.float32))
    assert found.precision[0] == 0.5 and found.recall[0] == pytest.approx(1 / 3)
    assert np.isnan(found.precision[1]) and found.recall[1] == 0
    assert found.overall[:2] == (0.5, 0.25)
    assert quality(*judged(), np.array([0.6, 0.5], np.float32)).overall[:2] == (0.75, 0.75)


def test_thresholds_from_labelled_images():
    # class 0: precision 1, 1/2, 2/3 and F1 1/2, 2/5, 2/3
    assert validated_thresholds(*judged(), least=None) == pytest.approx([0.6, 0.5])
    assert validated_thresholds(*judged(), least=0.9) == pytest.approx([0.9, 0.5])


def test_refusals_name_the_reason():
    names = ["Table", "Text"]
    assert refusals(names, [10, 20], 10, [100, 200], 100) == []
    (nothing,) = refusals(names, [0, 30], 10, [100, 200], 100)
    assert "'Table' gets no box" in nothing and "100" in nothing
    assert refusals(names, [0, 30], 10, [0, 300], 100) == []  # never labelled, never found
    (drift,) = refusals(names, [35, 35], 10, [100, 200], 100)
    assert drift.startswith("7 kept boxes an image, the labelled set has 3: more than a factor of 2 apart")
    assert refusals(names, [4, 30], 10, [100, 200], 100) == [], "of all, 3.4 and 3"
    (drift,) = refusals(names, [4, 30], 10, [100, 200], 100, per_class=True)
    assert drift.startswith("class 'Table': 0.4 kept boxes an image, the labelled set has 1: ")
    assert len(refusals(names, [0, 30], 10, [100, 200], 100, per_class=True)) == 1, "said once"
    assert "gets no box" in refusals(names, [0, 1], 10)[0]
    assert refusals(names, [0, 0], 10, [0, 0], 100)[0].startswith("the labelled set has no box of these classes")
