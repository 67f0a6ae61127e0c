import pytest
import torch
from torch import nn

from dense_det.blocks.inverted_residual import InvertedResidualBlock, MobileNetV2Stem
from dense_det.layers.conv import LayerOptions


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_no_activation_after_the_addition():
    block = InvertedResidualBlock(1, 1, r=1, options=LayerOptions(norm=""))
    nn.init.zeros_(block.depthwise.weight)
    block.depthwise.weight.data[0, 0, 1, 1] = 1.0
    nn.init.constant_(block.project.weight, -3.0)
    x = torch.tensor([2.0, -1.0]).reshape(2, 1, 1, 1)
    # x - 3 relu(x): negative values stay
    assert block(x).flatten().tolist() == [-4.0, -1.0]


def test_parameters_by_hand():
    # 16 channels, six times as many for the 3x3, 24 at the end
    block = InvertedResidualBlock(16, 24, options=LayerOptions())
    assert num_params(block) == 16 * 96 + 9 * 96 + 96 * 24 + 2 * (96 + 96 + 24)
    # squeeze-and-excitation of the widened channels
    gated = InvertedResidualBlock(16, 24, se_rate=4, options=LayerOptions())
    assert num_params(gated) - num_params(block) == (96 * 24 + 24) + (24 * 96 + 96)


@pytest.mark.parametrize(("out_channels", "stride", "residual"), [(8, 1, True), (8, 2, False), (12, 1, False)])
def test_the_input_is_added_where_it_fits(out_channels, stride, residual):
    block = InvertedResidualBlock(8, out_channels, stride=stride, options=LayerOptions(norm=""))
    nn.init.zeros_(block.project.weight)
    x = torch.randn(1, 8, 7, 7)
    assert block(x).any().item() is residual
    assert block(x).shape == (1, out_channels, -(-7 // stride), -(-7 // stride))


def test_stem_by_hand():
    stem = MobileNetV2Stem(3, 16, options=LayerOptions())
    # 3x3 to 32, depthwise 3x3, 1x1 to 16
    assert num_params(stem) == 27 * 32 + 9 * 32 + 32 * 16 + 2 * (32 + 32 + 16)
    assert stem.stride == 2 and stem(torch.zeros(2, 3, 15, 16)).shape == (2, 16, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"r": 0}, "1 or more, got 0"), ({"options": LayerOptions(conv="deform")}, "no full 3x3 to deform")],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        InvertedResidualBlock(8, 8, **{"options": LayerOptions(), **arguments})
