"""Precision and recall over the score threshold, and the threshold that serves best."""

from dataclasses import dataclass

import numpy as np

from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import IGNORED


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold gives: detections with score >= threshold are kept."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Curve:
    """Precision and recall (D,) after each of D judged detections, by falling score."""

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    def envelope(self) -> np.ndarray:
        """(D,) the best precision at each recall or a higher one: the falling stairs below which AP is the area."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    def average_precision(self) -> float:
        """COCO's: the mean of the envelope at 101 recalls, 0 where they are not reached."""
        return float(np.append(self.envelope(), 0.0)[np.searchsorted(self.recall, np.linspace(0, 1, 101))].mean())

    def best(self) -> OperatingPoint | None:
        """The threshold with the highest F1, of equal ones the highest; None without a true detection."""
        # equal scores stand or fall together: only the last of them is a threshold
        last = np.append(self.scores[1:] != self.scores[:-1], True)[: len(self.scores)]
        scores, precision, recall = self.scores[last], self.precision[last], self.recall[last]
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        if not f1.any():
            return None
        k = int(np.argmax(f1))
        return OperatingPoint(float(scores[k]), float(precision[k]), float(recall[k]), float(f1[k]))


def make_curve(scores, true_positive, num_truth: int) -> Curve:
    """The curve of D detections (D,) in any order, of which `true_positive` (D,) found a box, out of `num_truth`.

    Raises:
        ValueError: no boxes to find, where recall means nothing.
    """
    if num_truth < 1:
        raise ValueError(f"a curve needs boxes to find, got num_truth = {num_truth}")
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(true_positive[order])
    return Curve(scores[order], found / np.arange(1, len(order) + 1), found / num_truth)


def class_curves(truth: GroundTruth, detections: Detections, matches) -> list[Curve | None]:
    """The curve of each class from its matches (R,); None for a class without boxes to find."""
    curves = []
    for k, num_truth in enumerate(truth.counts()):
        rows = (detections.classes == k) & (matches != IGNORED)
        curves.append(make_curve(detections.scores[rows], matches[rows] >= 0, num_truth) if num_truth else None)
    return curves


def score_thresholds(points) -> np.ndarray:
    """(K,) a threshold for every class from its best point, if any: else the median of the others', or 0.5."""
    known = [point.threshold for point in points if point]
    other = float(np.median(known)) if known else 0.5
    return np.array([point.threshold if point else other for point in points])
