"""Non-maximum suppression that stops when it has as many boxes as are wanted."""

import torch
from detectron2.layers import batched_nms
from torch import Tensor


def best_by_nms(boxes: Tensor, scores: Tensor, classes: Tensor, iou: float, most: int) -> Tensor:
    """What batched_nms(boxes, scores, classes, iou)[:most] gives, sooner where few boxes overlap; of equal scores the
    order may be another.

    A box is suppressed by better ones alone, so the best few are judged first: if `most` of them stay, no other
    counts. The work grows as the square of the boxes.

    Args:
        boxes: (R, 4) xyxy.
        scores, classes: (R,).
        iou: above it, the lower of two boxes of a class is suppressed.
        most: boxes wanted; below 0 all, as in Detectron2's fast_rcnn_inference.

    Returns:
        Tensor: (at most `most`,) rows, by falling score.

    Raises:
        ValueError: `most` is 0.
    """
    if most == 0:
        raise ValueError(
            "the most boxes of an image (TEST.DETECTIONS_PER_IMAGE, of FCOS MODEL.FCOS.POST_NMS_TOPK_TRAIN and _TEST) "
            "are 1 or more, or -1 for all of them, got 0"
        )
    if most < 0:
        return batched_nms(boxes, scores, classes, iou)
    first = 3 * most
    if len(boxes) > 2 * first and not torch.jit.is_tracing():
        order = scores.sort(descending=True, stable=True).indices[:first]
        kept = batched_nms(boxes[order], scores[order], classes[order], iou)
        if len(kept) >= most:
            return order[kept[:most]]
    return batched_nms(boxes, scores, classes, iou)[:most]
