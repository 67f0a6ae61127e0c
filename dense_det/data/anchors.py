"""Anchor sizes and aspect ratios fitted to the boxes of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from detectron2.data.transforms import ResizeShortestEdge

from dense_det.data.mapper import xyxy_boxes

COVERED_IOU = 0.5  # an anchor is positive from here on: RetinaNet (arXiv 1708.02002), section 4
# A box's centre lies up to half a stride from the nearest location, in x and in y. These four offsets (in strides)
# stand for the square of possible ones: the midpoints of its quarters.
OFFSETS = np.array([(x, y) for x in (1 / 8, 3 / 8) for y in (1 / 8, 3 / 8)])
FIT_BOXES, MEASURE_BOXES = 1000, 20_000  # more boxes are thinned to so many, evenly over their sizes
KMEANS_ROUNDS, CLIMB_ROUNDS = 30, 40
SIZE_PER_STRIDE = 4.0  # where a level starts, as in RetinaNet


@dataclass(frozen=True)
class AnchorFit:
    """Anchors in the terms of Detectron2's MODEL.ANCHOR_GENERATOR, and how well they fit the boxes.

    Attributes:
        sizes: per level, square roots of the anchors' areas in pixels of the network's input.
        aspect_ratios: per level, height / width. A location has an anchor of every size in every ratio.
        coverage: share of boxes whose best anchor has IoU >= COVERED_IOU, averaged over where a box may lie
            between the locations of a level.
        mean_iou: mean IoU of boxes with their best anchor, averaged likewise.
        shape_coverage: `coverage` if an anchor were centred on each box. It flatters flat anchors on coarse
            levels, which no text line ever meets: never choose by it alone.
    """

    sizes: list[list[float]]
    aspect_ratios: list[list[float]]
    coverage: float
    mean_iou: float
    shape_coverage: float

    @property
    def num_anchors(self) -> int:
        """Anchors per location."""
        return len(self.sizes[0]) * len(self.aspect_ratios[0])

    def as_yaml(self) -> str:
        """The lines to paste into a config."""
        return f"MODEL:\n  ANCHOR_GENERATOR:\n    SIZES: {self.sizes}\n    ASPECT_RATIOS: {self.aspect_ratios}"

    def __str__(self) -> str:
        return (
            f"{self.coverage:.1%} of boxes covered by {self.num_anchors} anchors per location (IoU >= {COVERED_IOU}; "
            f"{self.shape_coverage:.1%} by shape alone), mean best IoU {self.mean_iou:.3f}"
        )


def box_shapes(dataset_dicts: list[dict], min_size: int, max_size: int) -> np.ndarray:
    """(R, 2) widths and heights of all boxes but crowds and empty ones, in pixels of the resized images.

    Args:
        min_size, max_size: of the network's input, as INPUT.MIN_SIZE_TEST and MAX_SIZE_TEST; a min_size of 0 leaves
            images as they are.
    """
    shapes = []
    for record in dataset_dicts:
        height, width = record["height"], record["width"]
        new_height, new_width = height, width
        if min_size:
            new_height, new_width = ResizeShortestEdge.get_output_shape(height, width, min_size, max_size)
        boxes = xyxy_boxes([a for a in record.get("annotations", ()) if not a.get("iscrowd", 0)])
        shapes.append((boxes[:, 2:] - boxes[:, :2]) * [new_width / width, new_height / height])
    shapes = np.concatenate([np.zeros((0, 2)), *shapes])
    return shapes[(shapes > 0).all(axis=1)]


def measure_anchors(widths_heights: np.ndarray, sizes, aspect_ratios, strides: Sequence[int]) -> AnchorFit:
    """How well given anchors fit, e.g. those of a config, before a fit.

    Args:
        widths_heights: (R, 2) in pixels of the network's input.
        sizes, aspect_ratios: per level; or one list in a list, for all levels, as in Detectron2's config.
        strides: of the levels, in pixels.

    Raises:
        ValueError: no boxes, boxes that are no sizes, or lists that do not match the levels.
    """
    shapes = _thin(_checked(widths_heights), MEASURE_BOXES)
    levels = [_per_level(name, lists, strides) for name, lists in (("sizes", sizes), ("ratios", aspect_ratios))]
    params = [(np.log(s), np.log(r)) for s, r in zip(*levels, strict=True)]
    on_grid = np.max([_best_iou(shapes, *p, stride) for p, stride in zip(params, strides, strict=True)], axis=0)
    centred = np.max([_best_iou(shapes, *p, stride=0) for p in params], axis=0)
    return AnchorFit(
        *levels,
        coverage=float((on_grid >= COVERED_IOU).mean()),
        mean_iou=float(on_grid.mean()),
        shape_coverage=float((centred >= COVERED_IOU).mean()),
    )


def choose_anchors(widths_heights: np.ndarray, strides: Sequence[int], num_anchors: int = 3) -> AnchorFit:
    """The best fit with `num_anchors` per location over all ways to split them into sizes times ratios.

    Raises:
        ValueError: no anchors, or as fit_anchors.
    """
    if num_anchors < 1:
        raise ValueError(f"need at least 1 anchor per location, got {num_anchors}")
    splits = [n for n in range(1, num_anchors + 1) if num_anchors % n == 0]
    fits = [fit_anchors(widths_heights, strides, n, num_anchors // n) for n in splits]
    return max(fits, key=lambda fit: fit.mean_iou)


def fit_anchors(
    widths_heights: np.ndarray, strides: Sequence[int], num_ratios: int = 3, num_sizes: int = 1
) -> AnchorFit:
    """Fit `num_sizes` sizes and `num_ratios` aspect ratios per level; the same input gives the same anchors.

    k-means on the logarithms of area and ratio (the log width and log height plane, turned by 45 degrees: there a
    level's sizes times ratios are independent), where a box belongs to the anchor of best IoU on the grid; then
    each size and ratio climbs by itself as long as the mean best IoU grows, which is worth as much again.
    A level that no box needs keeps RetinaNet's size for its stride.

    Args:
        widths_heights: (R, 2) in pixels of the network's input, see box_shapes.
        strides: of the levels that have anchors, in pixels.

    Raises:
        ValueError: no boxes, boxes that are no sizes, or less than one size, ratio or level.
    """
    if num_ratios < 1 or num_sizes < 1 or not len(strides):
        raise ValueError(f"need at least 1 ratio, size and level; got {num_ratios}, {num_sizes} and {len(strides)}")
    shapes = _thin(_checked(widths_heights), FIT_BOXES)
    # a slope of a tenth keeps anchors apart where boxes are alike
    ratios = np.quantile(_log_ratio(shapes), _midpoints(num_ratios)) + 0.1 * (np.arange(num_ratios) - num_ratios // 2)
    params = [
        (np.log(SIZE_PER_STRIDE * stride) + np.log(2) * np.arange(num_sizes) / num_sizes, ratios.copy())
        for stride in strides
    ]
    _kmeans(shapes, params, strides)
    _climb(shapes, params, strides)
    sizes = [[round(float(v), 1) for v in np.sort(np.exp(size))] for size, _ in params]
    aspect_ratios = [[float(f"{v:.3g}") for v in np.sort(np.exp(ratio))] for _, ratio in params]
    return measure_anchors(widths_heights, sizes, aspect_ratios, strides)


def _kmeans(shapes: np.ndarray, params: list, strides: Sequence[int]) -> None:
    """Lloyd's rounds on `params`, (log sizes, log ratios) per level, in place."""
    area, ratio = (np.repeat(v, len(OFFSETS)) for v in (np.log(shapes.prod(axis=1)) / 2, _log_ratio(shapes)))
    num_sizes, num_ratios = len(params[0][0]), len(params[0][1])
    owner = None
    for _ in range(KMEANS_ROUNDS):
        ious = np.concatenate([_ious(shapes, *p, stride) for p, stride in zip(params, strides, strict=True)], axis=2)
        before, owner = owner, ious.reshape(len(area), -1).argmax(axis=1)
        if before is not None and (before == owner).all():
            break
        level, size, aspect = np.unravel_index(owner, (len(params), num_sizes, num_ratios))
        for n, (sizes, ratios) in enumerate(params):
            for values, logs, index in ((sizes, area, size), (ratios, ratio, aspect)):
                for i in range(len(values)):
                    mine = (level == n) & (index == i)
                    if mine.any():
                        values[i] = logs[mine].mean()


def _climb(shapes: np.ndarray, params: list, strides: Sequence[int]) -> None:
    """Coordinate ascent of the mean best IoU on `params`, in place, with steps from 50 % down to 5 %."""
    best = [_best_iou(shapes, *p, stride) for p, stride in zip(params, strides, strict=True)]
    score = np.max(best, axis=0).mean()
    step = 0.4
    for _ in range(CLIMB_ROUNDS):
        moved = False
        for n, stride in enumerate(strides):
            others = np.max([np.zeros_like(best[n]), *best[:n], *best[n + 1 :]], axis=0)
            for values in params[n]:
                for i in range(len(values)):
                    for change in (step, -step):
                        values[i] += change
                        candidate = _best_iou(shapes, *params[n], stride)
                        new_score = np.maximum(others, candidate).mean()
                        if new_score > score + 1e-6:
                            best[n], score, moved = candidate, new_score, True
                            break
                        values[i] -= change
        if not moved:
            step /= 2
            if step < 0.05:
                return


def _best_iou(shapes: np.ndarray, log_sizes: np.ndarray, log_ratios: np.ndarray, stride: float) -> np.ndarray:
    """(R, O) of each box, at each offset, with the level's best anchor."""
    return _ious(shapes, log_sizes, log_ratios, stride).max(axis=2)


def _ious(shapes: np.ndarray, log_sizes: np.ndarray, log_ratios: np.ndarray, stride: float) -> np.ndarray:
    """(R, O, sizes x ratios) IoU of boxes with the anchors of their nearest location; stride 0 centres them."""
    size, root = np.exp(log_sizes)[:, None], np.exp(np.asarray(log_ratios) / 2)
    anchor = np.stack([(size / root).ravel(), (size * root).ravel()])  # (2, A)
    box, offset = shapes.T[:, :, None, None], stride * OFFSETS.T[:, None, :, None]  # (2, R, 1, 1), (2, 1, O, 1)
    anchor = anchor[:, None, None]
    # along one axis two centred intervals share the shorter one; a large offset eats into it
    shared = np.minimum(np.minimum(box, anchor), (box + anchor) / 2 - offset).clip(0)
    intersection = shared[0] * shared[1]
    return intersection / (box[0] * box[1] + anchor[0] * anchor[1] - intersection)


def _log_ratio(shapes: np.ndarray) -> np.ndarray:
    return np.log(shapes[:, 1] / shapes[:, 0])


def _midpoints(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / count


def _checked(widths_heights: np.ndarray) -> np.ndarray:
    shapes = np.asarray(widths_heights, dtype=np.float64)
    if shapes.size == 0:
        raise ValueError("no boxes to fit anchors to: the data set has no annotations but crowds or empty boxes")
    if shapes.ndim != 2 or shapes.shape[1] != 2:
        raise ValueError(f"expected (R, 2) widths and heights, got an array of shape {shapes.shape}")
    if not (np.isfinite(shapes) & (shapes > 0)).all():
        raise ValueError("widths and heights must be positive and finite; tools/check_data.py names the boxes")
    return shapes


def _thin(shapes: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the shapes, evenly spaced in their order by height, then width."""
    order = np.lexsort(shapes.T)
    picks = np.linspace(0, len(shapes) - 1, min(len(shapes), count)).round().astype(int)
    return shapes[order[picks]]


def _per_level(name: str, lists, strides: Sequence[int]) -> list[list[float]]:
    lists = [list(values) for values in lists]
    if len(lists) == 1:
        lists *= len(strides)
    if len(lists) != len(strides) or not all(lists) or min(min(values) for values in lists) <= 0:
        raise ValueError(f"anchor {name} must be positive, for 1 or {len(strides)} levels; got {lists}")
    return lists
