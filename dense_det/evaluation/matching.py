"""Which detection found which ground-truth box: COCO's greedy rule."""

import numpy as np

from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth

UNMATCHED, IGNORED = -1, -2
MAX_PER_CLASS = 100  # COCO judges the best 100 detections of a class on an image
MAX_AREA = 1e10  # pixels; COCO's area "all" begins at 0, so that a box of negative width is in none


def match(
    truth: GroundTruth,
    detections: Detections,
    min_iou: float,
    same_class: bool = True,
    most: int | None = MAX_PER_CLASS,
) -> np.ndarray:
    """(R,) row of the ground-truth box that each detection found; UNMATCHED, or IGNORED where it is not judged.

    By falling score, each detection takes the free box that it overlaps most, by at least `min_iou`.
    Not judged are detections on crowds, a class's detections beyond the best `most` of an image, and what found
    nothing with an area below 0 or above 1e10 pixels.
    Dropping low scores does not change the matches of higher ones: one matching serves every threshold.

    Args:
        same_class: match a detection with boxes of its own class only.
        most: COCO's 100; None judges all.
    """
    matches = np.full(len(detections.image), UNMATCHED)
    truth_starts = np.searchsorted(truth.image, np.arange(len(truth.images) + 1))
    starts = np.searchsorted(detections.image, np.arange(len(truth.images) + 1))
    for image in np.unique(detections.image):
        rows = slice(starts[image], starts[image + 1])
        boxes = slice(truth_starts[image], truth_starts[image + 1])
        classes, true_classes, crowd = detections.classes[rows], truth.classes[boxes], truth.crowd[boxes]
        iou = _iou(detections.boxes_xywh[rows], truth.boxes_xywh[boxes], crowd)
        alike = classes[:, None] == true_classes[None, :]
        # across classes, of two boxes that lie on each other the one of the same class is meant
        iou = iou * alike if same_class else iou + 1e-9 * (alike & (iou > 0))
        beyond = _beyond_limit(classes, len(classes) if most is None else most)
        iou[beyond] = 0  # they take no box from others
        matches[rows] = np.where(beyond, IGNORED, _greedy(iou, crowd, min_iou, offset=boxes.start))
    area = detections.boxes_xywh[:, 2] * detections.boxes_xywh[:, 3]
    matches[(matches == UNMATCHED) & ((area < 0) | (area > MAX_AREA))] = IGNORED
    return matches


def _greedy(iou, crowd, min_iou: float, offset: int) -> np.ndarray:
    """(D,) matches of D detections in falling order of score, from their overlaps (D, G)."""
    matches = np.full(len(iou), UNMATCHED)
    min_iou = min(min_iou, 1 - 1e-10)
    free = ~crowd
    for row in np.flatnonzero((iou >= min_iou).any(1)):
        candidates = np.where(free, iou[row], -1.0)
        # of equal overlaps COCO takes the last
        best = len(candidates) - 1 - np.argmax(candidates[::-1])
        if candidates[best] >= min_iou:
            matches[row], free[best] = offset + best, False
        elif (iou[row, crowd] >= min_iou).any():
            matches[row] = IGNORED
    return matches


def _iou(boxes, truth, crowd) -> np.ndarray:
    """(D, G) intersection over union of xywh boxes; over the detection's own area for crowds."""
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (truth[:, :2] + truth[:, 2:])[None])
    shared = np.clip(high - low, 0, None).prod(-1)
    area = boxes[:, 2:].prod(1)[:, None]
    union = np.where(crowd[None, :], area, area + truth[:, 2:].prod(1)[None, :] - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _beyond_limit(classes, most: int) -> np.ndarray:
    """(D,) mask of the detections, in falling order of score, that have `most` of their class before them."""
    beyond = np.zeros(len(classes), dtype=bool)
    for k in np.flatnonzero(np.bincount(classes) > most):
        beyond[np.flatnonzero(classes == k)[most:]] = True
    return beyond
