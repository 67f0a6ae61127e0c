import pytest
import torch
from torch import nn

from dense_det.blocks.inception import InceptionBlock, NaiveInceptionBlock
from dense_det.layers.conv import LayerOptions


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_the_naive_branches_stand_side_by_side():
    block = NaiveInceptionBlock(1, 4, options=LayerOptions(norm=""))
    for value, branch in enumerate(block.branches[:3], start=1):
        nn.init.zeros_(branch.weight)
        nn.init.constant_(branch.bias, value)
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    y = block(x)
    assert [y[0, i].unique().tolist() for i in range(3)] == [[1.0], [2.0], [3.0]]
    # the largest within a pixel
    assert y[0, 3].tolist() == [[4, 5, 5], [7, 8, 8], [7, 8, 8]]


def test_naive_parameters_by_hand():
    # f = 128 / 4 = 32, and the pool hands on 64 channels: 160 of them go to 128
    block = NaiveInceptionBlock(64, 128, options=LayerOptions())
    assert num_params(block) == (1 + 9 + 25) * 64 * 32 + 3 * 64 + (160 * 128 + 2 * 128)
    # 3 * 20 + 64 channels are what was asked for
    assert isinstance(NaiveInceptionBlock(64, 124, f=20, options=LayerOptions()).projection, nn.Identity)


def test_parameters_by_hand():
    # f = 128 / 4 = 32: the 3x3 reads 32 // 3 = 10 channels, the 5x5 32 // 4 = 8
    block = InceptionBlock(64, 128, options=LayerOptions())
    one, three = 64 * 32 + 2 * 32, 64 * 10 + 9 * 10 * 32 + 2 * (10 + 32)
    five, pool = 64 * 8 + 25 * 8 * 32 + 2 * (8 + 32), 64 * 32 + 2 * 32
    assert num_params(block) == one + three + five + pool
    assert isinstance(block.projection, nn.Identity)


def test_other_widths_are_projected():
    block = InceptionBlock(8, 30, f=16, r=2, options=LayerOptions())
    assert (block.projection.in_channels, block.projection.out_channels) == (64, 30)
    assert block.branches[2][0].out_channels == 8
    assert InceptionBlock(8, 2, options=LayerOptions()).projection.in_channels == 4  # at least one channel a branch


@pytest.mark.parametrize("make", [InceptionBlock, NaiveInceptionBlock])
@pytest.mark.parametrize(("stride", "expected"), [(1, (9, 6)), (2, (5, 3))])
def test_all_branches_have_one_size(make, stride, expected):
    block = make(8, 16, stride=stride, options=LayerOptions())
    assert block(torch.randn(2, 8, 9, 6)).shape == (2, 16, *expected)
