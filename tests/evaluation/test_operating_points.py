import pytest

from dense_det.evaluation.operating_points import best_points


def test_each_class_at_its_best_threshold(scene):
    truth, detections = scene
    points = best_points(truth, detections)
    # a: one of three boxes found, best by the true one alone; b: found at .7, its double at .6 would cost precision
    assert [point.threshold if point else None for point in points.points] == [
        pytest.approx(0.9),
        pytest.approx(0.7),
        None,
    ]
    assert points.curves[2] is None and len(points.matches) == len(points.kept) == 7
    kept = detections.select(points.kept)
    # "b" at .9 on a's place passes b's threshold; c has none of its own, and takes the median of the others', .8
    assert kept.scores.round(3).tolist() == [0.9, 0.8, 0.7, 0.9]
