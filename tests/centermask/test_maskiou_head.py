import pytest
import torch
from torch import nn

from dense_det.centermask.maskiou_head import MaskIoUHead


def make(**options) -> MaskIoUHead:
    sizes = {"in_channels": 128, "resolution": 14, "num_classes": 80, "num_convs": 2, "conv_dim": 128, "fc_dim": 1024}
    return MaskIoUHead(**sizes | options)


def test_parameters_of_the_published_heads():
    with torch.device("meta"):
        lite = make()
        base = make(in_channels=256, num_convs=4, conv_dim=256)
        small = make(fc_dim=256)
    assert sum(p.numel() for p in lite.parameters()) == 7_851_472
    assert sum(p.numel() for p in base.parameters()) == 16_340_304
    # what a quarter of the width saves: most of a lite detector's weights
    assert sum(p.numel() for p in small.parameters()) == 1_988_560
    assert lite.maskiou_fc1.weight.shape == (1024, 6272)


def test_masks_are_pooled_beside_the_features():
    head = make(in_channels=1, resolution=2, num_classes=1, num_convs=1, conv_dim=1, fc_dim=1)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    head.maskiou_fcn1.weight.data[0, :, 1, 1] = torch.tensor([1.0, 10.0])  # of stride 2: the upper left cell
    for layer in (head.maskiou_fc1, head.maskiou_fc2, head.maskiou):
        nn.init.ones_(layer.weight)
    features = torch.tensor([[[[3.0, 0], [0, 0]]]])
    masks = torch.zeros(1, 1, 4, 4)
    masks[0, 0, 1, 0] = 0.5  # the largest of its 2 x 2
    assert head(features, masks).tolist() == [[8.0]]


def test_no_rois_and_no_convolutions():
    head = make(in_channels=4, num_classes=3, conv_dim=4, fc_dim=8)
    assert head(torch.zeros(0, 4, 14, 14), torch.zeros(0, 1, 28, 28)).shape == (0, 3)
    with pytest.raises(ValueError, match="NUM_CONV"):
        make(num_convs=0)
