"""Non-maximum suppression that says which boxes each kept one stands for. Pure NumPy, in double precision. This file
stands alone: it may be copied beside deploy/runtime.py."""

from collections.abc import Iterator
from itertools import islice

import numpy as np


def by_class(scores: np.ndarray, classes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each class of (R,) `classes` with the rows of its boxes by falling score; equal scores stay in their order."""
    for k in np.unique(classes).tolist():
        rows = np.flatnonzero(classes == k)
        yield k, rows[np.argsort(-scores[rows], kind="stable")]


def suppressed(boxes: np.ndarray, iou: float) -> Iterator[tuple[int, np.ndarray]]:
    """Greedy suppression of (R, 4) boxes in falling order of score: a kept row, and the rows it stands for, its own
    the first."""
    free = np.arange(len(boxes))
    while len(free):
        alike = pairwise_iou(boxes[free[:1]], boxes[free])[0] > iou
        alike[0] = True
        yield int(free[0]), free[alike]
        free = free[~alike]


def finish(outputs, size: tuple[int, int], iou: float, most: int) -> list[np.ndarray]:
    """What an exported file with suppression inside gives, of the outputs of one without.

    Args:
        outputs: boxes (N, 4) xyxy of candidates, scores (N,), classes (N,), and whatever else there is of each.
        size: (height, width) of the image, to which boxes are cut in the end; those that lie beside it are left out.
        iou: of two boxes of a class that overlap by more, the lower is suppressed.
        most: are kept.

    Returns:
        the same of R boxes, by falling score.
    """
    boxes, scores, classes = outputs[:3]
    kept = []
    for _, rows in by_class(scores, classes):
        with np.errstate(invalid="ignore"):  # two boxes without an area
            kept += [rows[place] for place, _ in islice(suppressed(boxes[rows].astype(np.float64), iou), most)]
    kept = np.array(kept, np.int64)
    kept = kept[np.argsort(-scores[kept], kind="stable")][:most]
    cut = boxes[kept].clip(0, np.array([*size[::-1], *size[::-1]], boxes.dtype))
    full = (cut[:, 2:] > cut[:, :2]).all(1)
    return [cut[full], *(values[kept[full]] for values in outputs[1:])]


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) intersection over union of xyxy boxes that have an area."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(0).prod(-1)
    return shared / (_area(a)[:, None] + _area(b)[None, :] - shared)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)
