import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dense_det.blocks.residual import ResidualBlock, ResNeXtBlock
from dense_det.layers.attention import SE
from dense_det.layers.conv import LayerOptions

BARE = LayerOptions(norm="")


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def scale(conv, factor):
    """A 3x3 that multiplies its input by `factor`."""
    nn.init.zeros_(conv.weight)
    conv.weight.data[:, :, 1, 1] = factor


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # relu(x - 2 relu(x))
        ({}, [0.0, 0.0]),
        # relu(x - 2 x)
        ({"inner_activation": False}, [0.0, 3.0]),
        # relu(-2 x)
        ({"inner_activation": False, "shortcut": False}, [0.0, 6.0]),
        ({"shortcut": False}, [0.0, 0.0]),
    ],
)
def test_residual_by_hand(arguments, expected):
    block = ResidualBlock(1, 1, options=BARE, **arguments)
    scale(block.conv1, 1.0)
    scale(block.conv2, -2.0)
    x = torch.tensor([2.0, -3.0]).reshape(2, 1, 1, 1)
    assert block(x).flatten().tolist() == expected


def test_an_activation_follows_the_addition():
    block = ResidualBlock(2, 2, options=BARE)
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(1, 2, 5, 5)
    assert torch.equal(block(x), x.relu())


@pytest.mark.parametrize(
    ("in_channels", "stride", "projected"), [(8, 1, False), (8, 2, True), (6, 1, True), (6, 2, True)]
)
def test_the_shortcut_is_projected_where_width_or_stride_changes(in_channels, stride, projected):
    block = ResidualBlock(in_channels, 8, stride=stride, options=LayerOptions())
    convs = 9 * (in_channels * 8 + 8 * 8) + 2 * 2 * 8
    assert num_params(block) == convs + (in_channels * 8 + 2 * 8 if projected else 0)
    assert block(torch.randn(2, in_channels, 7, 9)).shape == (2, 8, -(-7 // stride), -(-9 // stride))


def test_squeeze_and_excitation_gates_the_branch_alone():
    block = ResidualBlock(4, 4, se_rate=2, options=BARE)
    nn.init.zeros_(block.attention.fc2.weight)
    x = torch.randn(1, 4, 5, 5)
    assert torch.allclose(block(x), (0.5 * block.branch(x) + x).relu())


def test_resnext_is_the_sum_of_its_paths():
    torch.manual_seed(0)
    r, c, out_channels = 2, 4, 24
    block = ResNeXtBlock(24, out_channels, r=r, c=c, options=BARE)
    x = torch.randn(2, 24, 6, 6)
    width, total = out_channels // (c * r), x
    for path in torch.arange(c * width).split(width):
        y = F.relu(F.conv2d(x, block.conv1.weight[path]))
        y = F.relu(F.conv2d(y, block.conv2.weight[path], padding=1))
        total = total + F.conv2d(y, block.conv3.weight[:, path])
    assert torch.allclose(block(x), total.relu(), atol=1e-5)


def test_resnext_parameters_by_hand():
    # r=2, c=4 of 32 channels: four paths of 4
    paths = 4 * (32 * 4 + 9 * 4 * 4 + 4 * 32)
    assert num_params(ResNeXtBlock(32, 32, options=LayerOptions())) == paths + 2 * (16 + 16 + 32)
    # a rate of 16 squeezes 32 channels to 2
    attention = (32 * 2 + 2) + (2 * 32 + 32)
    block = ResNeXtBlock(32, 32, se_rate=16, options=LayerOptions())
    assert num_params(block) == paths + 2 * (16 + 16 + 32) + attention
    assert isinstance(block.attention, SE)


def test_one_path_of_a_quarter_is_the_bottleneck_of_resnet_50():
    # layer2.0 of torchvision's: 256 -> 512, 128 in the middle, projected
    block = ResNeXtBlock(256, 512, stride=2, r=4, c=1, options=LayerOptions())
    convs = 256 * 128 + 9 * 128 * 128 + 128 * 512 + 256 * 512
    assert num_params(block) == convs + 2 * (128 + 128 + 512 + 512)
