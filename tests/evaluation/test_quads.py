from dataclasses import replace

import numpy as np
import pytest

from dense_det.evaluation.matching import match
from dense_det.evaluation.quads import corner_errors, quad_iou, quad_metrics

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], dtype=float)


def test_iou_by_hand():
    assert quad_iou(SQUARE, SQUARE) == pytest.approx(1)
    assert quad_iou(SQUARE, SQUARE + [5, 0]) == pytest.approx(50 / 150)
    assert quad_iou(SQUARE, SQUARE + [20, 0]) == 0
    # a diamond in the square has half of its area
    diamond = np.array([[5, 0], [10, 5], [5, 10], [0, 5]], dtype=float)
    assert quad_iou(SQUARE, diamond) == pytest.approx(0.5)
    assert quad_iou(diamond, diamond[::-1]) == pytest.approx(1)
    assert quad_iou(SQUARE, np.zeros((4, 2))) == 0


def test_corner_errors_by_hand():
    diagonal = 10 * 2**0.5
    # shifted by 1: every corner 1 away
    assert corner_errors(SQUARE + [1, 0], SQUARE)[0] == pytest.approx(1 / diagonal)
    turned = np.roll(SQUARE, -1, axis=0)  # begins at the second corner
    errors = corner_errors(turned, SQUARE)
    assert errors[3] == pytest.approx(0) and errors[0] == pytest.approx(10 / diagonal)


@pytest.fixture
def found(make_truth):
    """Three documents; the first found exactly but from its second corner on, the second not, the third has no quad."""
    truth = make_truth([(0, 0, 0, 0, 10, 10), (0, 0, 50, 0, 10, 10), (1, 0, 0, 0, 10, 10)])
    truth = replace(truth, quads=np.stack([SQUARE, SQUARE + [50, 0], np.full((4, 2), np.nan)]))
    detections = make_truth.detections(truth, [(0, 0, 0, 0, 10, 10, 0.9), (1, 0, 0, 0, 10, 10, 0.9)])
    quads = np.stack([np.roll(SQUARE, -1, axis=0), SQUARE])
    return truth, replace(detections, quads=quads)


def test_metrics_by_hand(found):
    truth, detections = found
    metrics = quad_metrics(truth, detections, match(truth, detections, 0.5))
    assert metrics == pytest.approx(
        {"IoU": 50, "IoU90": 50, "found_IoU": 100, "corner_error": 0, "first_corner": 0}, abs=1e-4
    )


def test_nothing_found_and_nothing_to_find(found):
    truth, detections = found
    nothing = detections.select(np.zeros(2, dtype=bool))
    metrics = quad_metrics(truth, nothing, match(truth, nothing, 0.5))
    assert metrics["IoU"] == metrics["IoU90"] == 0 and np.isnan(metrics["corner_error"])
    none = replace(truth, quads=np.full((3, 4, 2), np.nan))
    assert quad_metrics(none, detections, match(none, detections, 0.5)) == {}
