"""Non-maximum suppression that says which boxes each kept one stands for. Pure NumPy, in double precision."""

from collections.abc import Iterator

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


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) intersection over union of xyxy boxes that have an area."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(0).prod(-1)
    return shared / (_area(a)[:, None] + _area(b)[None, :] - shared)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)
