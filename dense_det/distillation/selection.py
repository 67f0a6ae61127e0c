"""Which of a teacher's boxes become labels: a score threshold for every class, and how good the labels are there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from dense_det.evaluation.curves import Curve, class_curves
from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import IGNORED

MAX_DRIFT = 2.0  # kept boxes an image may differ from the labelled set's by this factor
CALIBRATION_BINS = 10
_HALF = 1 << 16


def kth_highest(batches: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]], ranks) -> np.ndarray:
    """The `ranks[k]`-th highest score of each of K classes, exactly, in memory that does not grow with the scores.

    Floats >= 0 have the order of their bits: a first pass counts the upper 16 bits, a second one the lower 16 of
    those that share the upper bits of the answer. Memory is 65,536 counters a class.

    Args:
        batches: gives, each time it is called, the same pairs of scores (R,) float32 >= 0 and classes (R,).
        ranks: (K,) from 1; with 0 the answer is infinity (nothing is kept). Beyond the number of scores the answer is
            the lowest score, and of a class without scores infinity.

    Returns:
        (K,) float32 thresholds: scores >= threshold are kept, so equal scores stand or fall together.
    """
    ranks = np.array(ranks, np.int64)
    upper = np.zeros((len(ranks), _HALF), np.int64)
    for scores, classes in batches():
        np.add.at(upper, (classes, _bits(scores) >> 16), 1)
    ranks = np.minimum(ranks, upper.sum(1))
    places, before = _place_from_top(upper, ranks)
    lower = np.zeros_like(upper)
    for scores, classes in batches():
        bits = _bits(scores)
        same = (bits >> 16) == places[classes]
        np.add.at(lower, (classes[same], bits[same] & (_HALF - 1)), 1)
    ends, _ = _place_from_top(lower, ranks - before)
    values = ((places << 16) | ends).astype(np.uint32).view(np.float32)
    return np.where(ranks > 0, values, np.float32(np.inf))


def density_thresholds(batches, num_images: int, instances, num_labelled: int, per_class: bool) -> np.ndarray:
    """(K,) thresholds that leave as many boxes an image as the labelled images have (arXiv 1712.04440, section 3).

    Args:
        batches: see kth_highest.
        num_images: that the teacher labelled.
        instances: (K,) of the labelled images.
        num_labelled: images.
        per_class: one threshold for each class, by its own number of instances; else one for all.
    """
    instances = np.asarray(instances, np.float64)
    if per_class:
        return kth_highest(batches, np.rint(num_images * instances / num_labelled))
    pooled = kth_highest(
        lambda: ((scores, np.zeros(len(scores), np.int64)) for scores, _ in batches()),
        [round(num_images * float(instances.sum()) / num_labelled)],
    )
    return np.repeat(pooled, len(instances))


def precision_threshold(curve: Curve, least: float) -> float:
    """The lowest score from which on at least a share `least` of the boxes is right; infinity when there is none."""
    last = np.append(curve.scores[1:] != curve.scores[:-1], True)[: len(curve.scores)]
    good = curve.scores[last & (curve.precision >= least)]
    return float(good[-1]) if len(good) else float("inf")


def validated_thresholds(truth: GroundTruth, detections: Detections, matches, least: float | None) -> np.ndarray:
    """(K,) thresholds from labelled images: the precision `least`, or the best F1 where that is None.

    A class without a labelled box there, or that never gets so precise, has infinity.
    """
    thresholds = []
    for curve in class_curves(truth, detections, matches):
        if curve is None:
            thresholds.append(float("inf"))
        elif least is not None:
            thresholds.append(precision_threshold(curve, least))
        else:
            thresholds.append(best.threshold if (best := curve.best()) else float("inf"))
    return np.array(thresholds, np.float32)


@dataclass(frozen=True)
class Quality:
    """Of the labels that thresholds leave on labelled images; a class a row. NaN where nothing is kept or labelled."""

    precision: np.ndarray  # (K,)
    recall: np.ndarray  # (K,)
    calibration_error: np.ndarray  # (K,)
    overall: tuple[float, float, float]  # precision, recall, calibration error of all boxes together


def quality(truth: GroundTruth, detections: Detections, matches, thresholds) -> Quality:
    """What labels at `thresholds` (K,) are worth; detections on crowds are not judged.

    Args:
        matches: (R,) of evaluation.match.
    """
    judged = (matches != IGNORED) & (detections.scores.astype(np.float32) >= thresholds[detections.classes])
    scores, right, classes = detections.scores[judged], matches[judged] >= 0, detections.classes[judged]
    rows = [
        _rates(scores[classes == k], right[classes == k], number) for k, number in enumerate(truth.counts().tolist())
    ]
    columns = np.array(rows, np.float64).reshape(-1, 3).T
    return Quality(*columns, _rates(scores, right, int(truth.counts().sum())))


def expected_calibration_error(scores, right, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance of a score from the share of right boxes with such a score (Guo et al., arXiv 1706.04599, eq. 3).

    Bins are equally wide; a score on a border belongs to the lower bin. NaN without boxes.
    """
    if not len(scores):
        return float("nan")
    place = np.clip(np.ceil(np.asarray(scores, np.float64) * bins).astype(int) - 1, 0, bins - 1)
    surplus = np.bincount(place, np.asarray(scores, np.float64) - np.asarray(right, np.float64), bins)
    return float(np.abs(surplus).sum() / len(scores))


def refusals(
    names: list[str], kept, num_images: int, instances=None, num_labelled: int = 0, per_class: bool = False
) -> list[str]:
    """Why labels with `kept` (K,) boxes should not be written; [] when nothing speaks against it.

    Args:
        num_images: over which the boxes are spread.
        instances: (K,) of `num_labelled` labelled images; None when there are none to compare with.
        per_class: the density of each class must be near that of the labelled set, too, not only that of all.
    """
    known = [""] * len(names) if instances is None else [f" (the labelled set has {count})" for count in instances]
    reasons = [
        f"class {name!r} gets no box at all{known[k]}"
        for k, name in enumerate(names)
        if not kept[k] and (instances is None or instances[k])
    ]
    if instances is not None and not np.sum(instances):
        reasons.append("the labelled set has no box of these classes: nothing to compare with")
    if instances is None or not num_labelled or not num_images:
        return reasons
    counts = [("", np.sum(kept), np.sum(instances))]
    if per_class:  # a class without a box has its reason already
        counts += [
            (f"class {name!r}: ", *pair) for name, *pair in zip(names, kept, instances, strict=True) if all(pair)
        ]
    for of, number, labelled in counts:
        density, wanted = float(number) / num_images, float(labelled) / num_labelled
        if not wanted / MAX_DRIFT <= density <= wanted * MAX_DRIFT:
            reasons.append(
                f"{of}{density:.3g} kept boxes an image, the labelled set has {wanted:.3g}: more than a factor of "
                f"{MAX_DRIFT:g} apart; other documents, or a threshold that does not fit"
            )
    return reasons


def _bits(scores) -> np.ndarray:
    scores = np.ascontiguousarray(scores, np.float32) + np.float32(0)  # -0 has another bit
    assert not len(scores) or scores.min() >= 0, "scores are floats >= 0"
    return scores.view(np.uint32).astype(np.int64)


def _place_from_top(counts, ranks) -> tuple[np.ndarray, np.ndarray]:
    """(K,) column in which the `ranks[k]`-th of row k's counts lies, from the last column on, and those above it."""
    above = np.cumsum(counts[:, ::-1], axis=1)
    steps = np.array([np.searchsorted(row, max(rank, 1)) for row, rank in zip(above, ranks, strict=True)], np.int64)
    steps = np.minimum(steps, counts.shape[1] - 1)
    rows = np.arange(len(steps))
    return counts.shape[1] - 1 - steps, above[rows, steps] - counts[rows, counts.shape[1] - 1 - steps]


def _rates(scores, right, num_truth: int) -> tuple[float, float, float]:
    nan = float("nan")
    precision = float(np.mean(right)) if len(right) else nan
    recall = float(np.sum(right)) / num_truth if num_truth else nan
    return precision, recall, expected_calibration_error(scores, right)
