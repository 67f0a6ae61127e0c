import torch
import torch.nn.functional as F
from detectron2.layers import ShapeSpec

from dense_det.centermask.mask_head import DenseDetSpatialAttentionMaskHead
from dense_det.config import get_cfg


def make(**keys) -> DenseDetSpatialAttentionMaskHead:
    cfg = get_cfg()
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 3
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV, cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 2, 8
    for key, value in keys.items():
        cfg.MODEL.ROI_MASK_HEAD[key] = value
    return DenseDetSpatialAttentionMaskHead(cfg, ShapeSpec(channels=4, height=14, width=14))


def test_layers_are_those_of_the_paper():
    head = make()
    x = torch.randn(2, 4, 14, 14)
    y = F.relu(head.mask_fcn2(F.relu(head.mask_fcn1(x)))) if head.mask_fcn1.activation is None else None
    y = head.mask_fcn2(head.mask_fcn1(x)) if y is None else y
    gate = torch.sigmoid(head.spatial_attention.conv(torch.cat([y.mean(1, True), y.amax(1, True)], 1)))
    expected = head.predictor(F.relu(head.deconv(y * gate)))
    assert torch.allclose(head.layers(x), expected, atol=1e-6) and expected.shape == (2, 3, 28, 28)


def test_one_mask_for_all_classes_and_any_norm():
    assert make(CLS_AGNOSTIC_MASK=True).layers(torch.randn(1, 4, 14, 14)).shape == (1, 1, 28, 28)
    assert make(NORM="GN", CONV_DIM=32).layers(torch.randn(0, 4, 14, 14)).shape == (0, 3, 28, 28)
