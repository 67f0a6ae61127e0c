"""From what FCOS says of every location to the boxes of an image."""

from dataclasses import dataclass

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from dense_det.layers.nms import best_by_nms


@dataclass(frozen=True)
class Selection:
    """Which boxes are kept.

    Attributes:
        threshold: least score of a class.
        with_quality: compare the threshold with class score times quality, not with the class score alone.
        pre_nms_topk: most boxes of a level that go into suppression.
        nms_threshold: IoU above which the lower of two boxes of a class is suppressed.
        post_nms_topk: most boxes of an image; below 0 all.
        clip: cut boxes to the image.
    """

    threshold: float
    with_quality: bool
    pre_nms_topk: int
    nms_threshold: float
    post_nms_topk: int
    clip: bool


def select_boxes(
    locations: list[Tensor],
    logits: list[Tensor],
    distances: list[Tensor],
    qualities: list[Tensor],
    image_size: tuple[int, int],
    selection: Selection,
) -> Instances:
    """The boxes of one image: Instances with pred_boxes, scores, pred_classes, by falling score.

    The score is sqrt(class probability * quality probability), of classes above the threshold (CenterMask2).

    Args:
        locations: (R_l, 2) of each level.
        logits: (R_l, K) of each level.
        distances: (R_l, 4) left, top, right, bottom of each level, in pixels.
        qualities: (R_l,) logits of each level.
        image_size: (height, width) in pixels.
    """
    found = [_of_level(*level, selection) for level in zip(locations, logits, distances, qualities, strict=True)]
    boxes, scores, classes = (torch.cat(parts) for parts in zip(*found, strict=True))
    if selection.clip:
        boxes = Boxes(boxes)
        boxes.clip(image_size)
        boxes = boxes.tensor
    keep = best_by_nms(boxes, scores, classes, selection.nms_threshold, selection.post_nms_topk)
    result = Instances(image_size)
    result.pred_boxes = Boxes(boxes[keep])
    result.scores = scores[keep]
    result.pred_classes = classes[keep]
    return result


def no_boxes(image_size: tuple[int, int], like: Tensor) -> Instances:
    """What select_boxes gives where there is nothing, on the device of `like`."""
    return Instances(
        image_size,
        pred_boxes=Boxes(like.new_zeros(0, 4)),
        scores=like.new_zeros(0),
        pred_classes=like.new_zeros(0, dtype=torch.int64),
    )


def _of_level(
    points: Tensor, logits: Tensor, distances: Tensor, qualities: Tensor, selection: Selection
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (D, 4) xyxy, scores (D,), classes (D,) of a level before suppression."""
    class_scores = logits.sigmoid()
    scores = class_scores * qualities.sigmoid()[:, None]
    above = (scores if selection.with_quality else class_scores) > selection.threshold
    # what is below the threshold sorts behind everything: the number of candidates is fixed until the last line
    candidates = torch.where(above, scores, -1.0).flatten()
    best, places = candidates.topk(min(selection.pre_nms_topk, len(candidates)))
    kept = best > -1
    best, places = best[kept], places[kept]
    rows, classes = places // logits.shape[1], places % logits.shape[1]
    x, y = points[rows].unbind(1)
    left, top, right, bottom = distances[rows].unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1), best.sqrt(), classes
