"""Each class at the threshold that serves it best."""

from dataclasses import dataclass

import numpy as np

from dense_det.evaluation.curves import Curve, OperatingPoint, class_curves, score_thresholds
from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import match


@dataclass(frozen=True)
class OperatingPoints:
    """R detections of K classes at IoU 0.5, and which of them pass."""

    matches: np.ndarray  # (R,) see matching.match
    curves: list[Curve | None]  # K
    points: list[OperatingPoint | None]  # K
    kept: np.ndarray  # (R,) bool


def best_points(truth: GroundTruth, detections: Detections) -> OperatingPoints:
    """Match boxes at IoU 0.5, and choose for each class the threshold of the best F1."""
    matches = match(truth, detections, min_iou=0.5)
    curves = class_curves(truth, detections, matches)
    points = [curve.best() if curve else None for curve in curves]
    return OperatingPoints(matches, curves, points, detections.scores >= score_thresholds(points)[detections.classes])
