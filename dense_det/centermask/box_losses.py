"""Losses of boxes that share a point, given by the distances from it to their sides."""

import torch
from torch import Tensor

from dense_det.suggest import unknown


def overlaps(predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (arXiv 1902.09630), both (P,), of boxes as (P, 4) distances left, top, right, bottom.

    One unit is added to the intersection and to the union, as in FCOS's published code: a box without area still has
    an overlap to improve on, and a logarithm.
    """
    area = (predicted[:, 0] + predicted[:, 2]) * (predicted[:, 1] + predicted[:, 3])
    target_area = (target[:, 0] + target[:, 2]) * (target[:, 1] + target[:, 3])
    shared, hull = torch.minimum(predicted, target), torch.maximum(predicted, target)
    intersection = (shared[:, 0] + shared[:, 2]) * (shared[:, 1] + shared[:, 3])
    enclosing = (hull[:, 0] + hull[:, 2]) * (hull[:, 1] + hull[:, 3])
    union = area + target_area - intersection
    iou = (intersection + 1) / (union + 1)
    return iou, iou - (enclosing - union) / enclosing.clamp(min=1e-7)


LOSSES = {
    "giou": lambda iou, giou: 1 - giou,
    "iou": lambda iou, giou: -iou.log(),
    "linear_iou": lambda iou, giou: 1 - iou,
}


def require_box_loss(kind: str) -> str:
    """`kind`, if it is one of LOSSES; ValueError otherwise."""
    if kind not in LOSSES:
        raise ValueError(f"MODEL.FCOS.LOC_LOSS_TYPE: {unknown('box loss', kind, LOSSES)}")
    return kind


def box_loss(predicted: Tensor, target: Tensor, kind: str) -> Tensor:
    """(P,) losses of (P, 4) distances.

    Args:
        kind: a key of LOSSES: "giou", "iou" (its negative logarithm, UnitBox, arXiv 1608.01471) or "linear_iou".
    """
    return LOSSES[kind](*overlaps(predicted, target))
