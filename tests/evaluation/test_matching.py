import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dense_det.evaluation.coco_ap import coco_stats
from dense_det.evaluation.curves import class_curves
from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import IGNORED, UNMATCHED, match


def test_matches_of_the_scene_by_hand(scene):
    truth, detections = scene
    assert detections.scores.round(1).tolist() == [0.9, 0.8, 0.7, 0.6, 0.9, 0.5, 0.4]
    assert match(truth, detections, 0.5).tolist() == [0, UNMATCHED, 1, UNMATCHED, UNMATCHED, IGNORED, UNMATCHED]
    # across classes "c" takes b's box first, and "b" finds the a of image 1
    assert match(truth, detections, 0.5, same_class=False).tolist() == [
        0,
        1,
        UNMATCHED,
        UNMATCHED,
        2,
        IGNORED,
        UNMATCHED,
    ]


def test_the_best_overlap_wins_and_is_then_taken(make_truth):
    truth = make_truth([(0, 0, 0, 0, 100, 10), (0, 0, 10, 0, 100, 10)])
    detections = make_truth.detections(truth, [(0, 0, 9, 0, 100, 10, 0.9), (0, 0, 9, 0, 100, 10, 0.8)])
    assert match(truth, detections, 0.5).tolist() == [1, 0]


def test_iou_is_at_least_the_threshold(make_truth):
    truth = make_truth([(0, 0, 0, 0, 10, 10)])
    half = make_truth.detections(truth, [(0, 0, 0, 0, 10, 5, 0.9)])  # IoU exactly 0.5
    assert match(truth, half, 0.5).tolist() == [0] and match(truth, half, 0.501).tolist() == [UNMATCHED]


def test_of_two_classes_on_one_place_the_same_class_is_meant(make_truth):
    truth = make_truth([(0, 1, 0, 0, 10, 10), (0, 0, 0, 0, 10, 10), (0, 2, 0, 0, 10, 10)])
    detections = make_truth.detections(truth, [(0, k, 0, 0, 10, 10, 0.9 - k / 10) for k in range(3)])
    assert match(truth, detections, 0.5, same_class=False).tolist() == [1, 0, 2]


def test_detections_beyond_a_hundred_are_not_judged(make_truth):
    truth = make_truth([(0, 0, 0, 0, 10, 10)])
    rows = [(0, 0, 0, 0, 10, 10, 0.1)] + [(0, 0, 50, 50, 10, 10, 0.9)] * 100 + [(0, 1, 0, 0, 10, 10, 0.05)]
    matches = match(truth, make_truth.detections(truth, rows), 0.5)
    assert matches.tolist() == [UNMATCHED] * 100 + [IGNORED, UNMATCHED]
    matches = match(truth, make_truth.detections(truth, rows), 0.5, most=None)
    assert matches.tolist() == [UNMATCHED] * 100 + [0, UNMATCHED]
    assert match(truth, make_truth.detections(truth, rows[:2]), 0.5, most=1).tolist() == [UNMATCHED, IGNORED]


def test_a_box_of_negative_or_endless_area_is_not_judged(make_truth):
    truth = make_truth([(0, 0, 0, 0, 10, 10)])
    rows = [(0, 0, 20, 20, -5, 10, 0.9), (0, 0, 20, 20, 1e6, 1e6, 0.8), (0, 0, 20, 20, 0, 10, 0.7)]
    assert match(truth, make_truth.detections(truth, rows), 0.5).tolist() == [IGNORED, IGNORED, UNMATCHED]


def test_nothing_and_boxes_of_no_size(make_truth):
    truth = make_truth([(0, 0, 5, 5, 0, 0)])
    assert match(truth, make_truth.detections(truth, []), 0.5).shape == (0,)
    assert match(truth, make_truth.detections(truth, [(0, 0, 5, 5, 0, 0, 0.5)]), 0.5).tolist() == [UNMATCHED]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
@example(799)  # a shaken box has a height below 0
def test_our_curves_have_coco_s_average_precision(seed):
    rng = np.random.default_rng(seed)
    n, num_images, num_classes = 60, 4, 3
    boxes = np.column_stack([rng.uniform(0, 150, (n, 2)), rng.uniform(5, 60, (n, 2))])
    image, classes = np.sort(rng.integers(0, num_images, n)), rng.integers(0, num_classes, n)
    truth = GroundTruth(
        [{"id": k, "width": 200, "height": 200} for k in range(num_images)], list("abc"), [0, 1, 2],
        image, boxes, classes, rng.random(n) < 0.1, boxes[:, 2:].prod(1),
    )  # fmt: skip
    rows = rng.integers(0, n, 150)
    scores = rng.random(150).round(2)  # ties
    order = np.lexsort((-scores, image[rows]))
    shaken = boxes[rows] + rng.normal(0, 2, (150, 4))
    detections = Detections(image[rows][order], shaken[order], scores[order], classes[rows][order])
    stats = coco_stats(truth.coco(), detections.rows())
    for iou in (0.5, 0.75):
        curves = class_curves(truth, detections, match(truth, detections, iou))
        ours = [curve.average_precision() if curve else np.nan for curve in curves]
        np.testing.assert_allclose(ours, stats.class_ap(iou), atol=1e-12)
