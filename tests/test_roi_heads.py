import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.events import EventStorage

from dense_det.config import get_cfg

SQUARE = [[4.0, 4.0, 20.0, 4.0, 20.0, 20.0, 4.0, 20.0]]


def build(name: str):
    torch.manual_seed(0)
    cfg = get_cfg()
    cfg.MODEL.MASK_ON, cfg.MODEL.ROI_HEADS.NUM_CLASSES, cfg.MODEL.ROI_HEADS.IN_FEATURES = True, 2, ["p3"]
    cfg.MODEL.ROI_BOX_HEAD.NAME, cfg.MODEL.ROI_BOX_HEAD.NUM_FC, cfg.MODEL.ROI_BOX_HEAD.FC_DIM = (
        "FastRCNNConvFCHead",
        1,
        4,
    )
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    cfg.MODEL.ROI_MASK_HEAD.NAME, cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = "MaskRCNNConvUpsampleHead", 1
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 4
    return ROI_HEADS_REGISTRY.get(name)(cfg, {"p3": ShapeSpec(channels=8, stride=8)})


def mask_loss(heads, masks, has_mask) -> torch.Tensor:
    """Of one image with a proposal on each of its objects."""
    boxes = [[4.0, 4, 20, 20], [30, 30, 60, 60]][: len(masks)]
    proposals = Instances((64, 64), proposal_boxes=Boxes(torch.tensor(boxes)))
    proposals.gt_classes, proposals.gt_boxes = torch.arange(len(masks)), Boxes(torch.tensor(boxes))
    proposals.gt_masks, proposals.gt_has_mask = PolygonMasks(masks), torch.tensor(has_mask)
    features = {"p3": torch.linspace(-1, 1, 8 * 64).view(1, 8, 8, 8)}
    with EventStorage():
        return heads._forward_mask(features, [proposals])["loss_mask"]


def test_an_object_without_a_mask_teaches_none():
    heads = build("DenseDetROIHeads").train()
    alone = mask_loss(heads, [SQUARE], [True])
    assert mask_loss(heads, [SQUARE, []], [True, False]).item() == pytest.approx(alone.item())
    theirs = build("StandardROIHeads").train()
    theirs.load_state_dict(heads.state_dict())
    assert mask_loss(theirs, [SQUARE], [True]).item() == pytest.approx(alone.item())
    assert mask_loss(theirs, [SQUARE, []], [True, False]).item() != pytest.approx(alone.item(), rel=1e-6)


def test_no_object_with_a_mask_costs_nothing_and_keeps_the_gradient():
    heads = build("DenseDetROIHeads").train()
    loss = mask_loss(heads, [[], []], [False, False])
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is not None for parameter in heads.mask_head.parameters())
