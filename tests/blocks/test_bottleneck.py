import pytest
import torch
from torch import nn

from dense_det.blocks.bottleneck import BottleneckBlock
from dense_det.layers.conv import DeformableConv, LayerOptions


def test_parameters_by_hand():
    # r=4 of 32 channels: 8 in the middle
    block = BottleneckBlock(16, 32, options=LayerOptions())
    assert sum(p.numel() for p in block.parameters()) == 16 * 8 + 9 * 8 * 8 + 8 * 32 + 2 * (8 + 8 + 32)


def test_values_by_hand():
    block = BottleneckBlock(1, 4, options=LayerOptions(norm=""))
    for conv in (block.conv1, block.conv2, block.conv3):
        nn.init.ones_(conv.weight)
    # the 3x3 sums nine ones, or four at a corner; nothing is added to it
    y = block(torch.ones(1, 1, 3, 3))
    assert y.shape == (1, 4, 3, 3)
    assert y[0, :, 1, 1].tolist() == [9.0] * 4 and y[0, :, 0, 0].tolist() == [4.0] * 4


def test_the_3x3_may_be_deformable_and_strided():
    block = BottleneckBlock(8, 8, stride=2, options=LayerOptions(norm="GN", conv="deform"))
    assert isinstance(block.conv2, DeformableConv)
    assert block(torch.randn(1, 8, 9, 7)).shape == (1, 8, 5, 4)


def test_a_rate_below_one_is_refused():
    with pytest.raises(ValueError, match="1 or more, got 0"):
        BottleneckBlock(8, 8, r=0, options=LayerOptions())
