"""Many views' boxes of one image become one set: weighted box fusion, box voting, NMS. Pure NumPy.

A *source* is one view of one teacher. Boxes of different classes never meet. Each fused box says how many sources
found it (votes) and how far they disagree (spread).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dense_det.suggest import unknown
from dense_det.suppression import by_class, pairwise_iou, suppressed

# pixels: a thinner box, such as what is left of one at the image's edge, loses its area where labels are rounded to
# hundredths, and a label without an area keeps a student from training
LEAST_SIDE = 0.1


@dataclass(frozen=True)
class Boxes:
    """R boxes: `boxes` (R, 4) xyxy pixels, `scores` (R,), `classes` (R,) int, `source` (R,) int, who found it."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    source: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def join(cls, per_source: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> "Boxes":
        """From one (boxes, scores, classes) a source; boxes that are not finite or thinner than LEAST_SIDE
        are left out."""
        boxes = np.concatenate(
            [np.zeros((0, 4)), *(np.asarray(b, np.float64).reshape(-1, 4) for b, _, _ in per_source)]
        )
        scores = np.concatenate([np.zeros(0), *(np.asarray(s, np.float64) for _, s, _ in per_source)])
        classes = np.concatenate([np.zeros(0, np.int64), *(np.asarray(c, np.int64) for _, _, c in per_source)])
        source = np.repeat(np.arange(len(per_source)), [len(s) for _, s, _ in per_source])
        keep = np.isfinite(boxes).all(1) & np.isfinite(scores) & (boxes[:, 2:] - boxes[:, :2] >= LEAST_SIDE).all(1)
        return cls(boxes[keep], scores[keep], classes[keep], source[keep])


@dataclass(frozen=True)
class Fused:
    """R fused boxes by falling score, as in shard_file.ImagePredictions; `members`: rows of the input, of each."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    votes: np.ndarray
    spread: np.ndarray
    members: tuple[np.ndarray, ...]


# (boxes (R, 4), scores (R,) falling, IoU, number of sources) of one class -> one (box, score, rows) a fused box
Merge = Callable[[np.ndarray, np.ndarray, float, int], list[tuple[np.ndarray, float, np.ndarray]]]


def fuse(kind: str, found: Boxes, num_sources: int | np.ndarray, iou: float) -> Fused:
    """All boxes of an image, class by class.

    Args:
        kind: one of FUSIONS.
        num_sources: how many sources looked, also those that found nothing; (K,) where not all know every class.
        iou: boxes that overlap more are the same thing.

    Raises:
        ValueError: an unknown kind, or an IoU out of (0, 1).
    """
    if kind not in FUSIONS:
        raise ValueError(unknown("fusion", kind, FUSIONS))
    if not 0 < iou < 1:
        raise ValueError(f"the IoU of fusion must lie between 0 and 1, got {iou}")
    rows = []
    for k, index in by_class(found.scores, found.classes):
        looked = int(num_sources[k] if np.ndim(num_sources) else num_sources)
        for box, score, members in FUSIONS[kind](found.boxes[index], found.scores[index], iou, looked):
            votes = len(np.unique(found.source[index[members]])) / looked
            rows.append((box, score, k, index[members], votes))
    rows.sort(key=lambda row: -row[1])  # stable: equal scores stay in the order of class and first member
    members = tuple(row[3] for row in rows)
    return Fused(
        boxes=np.array([row[0] for row in rows], np.float64).reshape(-1, 4),
        scores=np.array([row[1] for row in rows], np.float64),
        classes=np.array([row[2] for row in rows], np.int64),
        votes=np.array([row[4] for row in rows], np.float64),
        spread=np.array([spread(found.boxes[m]) for m in members], np.float64),
        members=members,
    )


def leave_alone(found: Boxes) -> Fused:
    """One source's boxes as they are, by falling score: its own suppression has chosen them."""
    rows = np.argsort(-found.scores, kind="stable")
    ones = np.ones(len(rows))
    return Fused(found.boxes[rows], found.scores[rows], found.classes[rows], ones, 0 * ones, tuple(rows[:, None]))


def spread(boxes: np.ndarray) -> float:
    """How far (M, 4) boxes of one thing disagree: the sides' standard deviation over the mean width and height."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    return float(boxes.std(0).mean() / sizes.mean())


def _weighted_box_fusion(boxes, scores, iou: float, num_sources: int):
    """Solovyev et al., arXiv 1910.13302, section 3.

    By falling score, each box joins the fused box that it overlaps most, which becomes the average of its members,
    weighted by score. Its score is their mean, times min(T, N) / N for T members of N sources: what few saw is
    less sure.
    """
    clusters: list[list[int]] = []
    fused = np.zeros_like(boxes)  # row c: the fused box of cluster c
    for row, box in enumerate(boxes):
        overlaps = pairwise_iou(box[None], fused[: len(clusters)])[0]
        best = int(overlaps.argmax()) if len(overlaps) else -1
        if best < 0 or overlaps[best] <= iou:
            fused[len(clusters)] = box
            clusters.append([row])
            continue
        clusters[best].append(row)
        fused[best] = _average(boxes[clusters[best]], scores[clusters[best]])
    for place, members in enumerate(clusters):
        score = scores[members].mean() * min(len(members), num_sources) / num_sources
        yield fused[place], float(score), np.array(members)


def _box_voting(boxes, scores, iou: float, num_sources: int):
    """Gidaris and Komodakis, arXiv 1505.01749, section 5: what NMS keeps becomes the average of all boxes that
    overlap it, weighted by score; its score stays the best one's."""
    for kept, _ in suppressed(boxes, iou):
        members = np.flatnonzero(pairwise_iou(boxes[kept : kept + 1], boxes)[0] > iou)
        yield _average(boxes[members], scores[members]), float(scores[kept]), members


def _nms(boxes, scores, iou: float, num_sources: int):
    """The best box stands for those that it suppresses."""
    for kept, members in suppressed(boxes, iou):
        yield boxes[kept], float(scores[kept]), members


def _average(boxes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum()
    return weights @ boxes / total if total > 0 else boxes.mean(0)


FUSIONS: dict[str, Merge] = {"wbf": _weighted_box_fusion, "voting": _box_voting, "nms": _nms}
DEFAULT_IOU = {"wbf": 0.55, "voting": 0.5, "nms": 0.5}  # of the papers
