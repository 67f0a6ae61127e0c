"""Losses of the boxes that anchors predict, one by one, so that each can have a weight."""

from detectron2.layers import ciou_loss, diou_loss
from fvcore.nn import giou_loss, smooth_l1_loss
from torch import Tensor

from dense_det.suggest import unknown

OVERLAP_LOSSES = {"giou": giou_loss, "diou": diou_loss, "ciou": ciou_loss}


def anchor_box_losses(
    anchors: Tensor, deltas: Tensor, boxes: Tensor, transform, kind: str, smooth_l1_beta: float
) -> Tensor:
    """(P,) losses of P matched anchors; their sum is Detectron2's `_dense_box_regression_loss`.

    Args:
        anchors: (P, 4) xyxy.
        deltas: (P, 4) what is predicted for them.
        boxes: (P, 4) xyxy of the objects that they match.
        transform: between the two: Detectron2's Box2BoxTransform.
        kind: "smooth_l1" of the deltas, or "giou", "diou", "ciou" of the boxes.
        smooth_l1_beta: where the smooth L1 loss turns from a parabola to a line; 0 is L1.

    Raises:
        ValueError: another kind.
    """
    if kind == "smooth_l1":
        return smooth_l1_loss(deltas, transform.get_deltas(anchors, boxes), smooth_l1_beta).sum(1)
    if kind not in OVERLAP_LOSSES:
        raise ValueError(
            f"MODEL.RETINANET.BBOX_REG_LOSS_TYPE: {unknown('box loss', kind, ['smooth_l1', *OVERLAP_LOSSES])}"
        )
    return OVERLAP_LOSSES[kind](transform.apply_deltas(deltas, anchors), boxes)
