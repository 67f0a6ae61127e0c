import pytest
import torch
from torch import nn

from dense_det.blocks.csp_residual import CrossStage, CSPDarknetStem, DarkResidual
from dense_det.layers.conv import LayerOptions

BARE = LayerOptions(norm="", activation="LeakyReLU")


def make(**arguments):
    shape = {"num_blocks": 2, "make_block": nn.Identity, "expanded": 16, "down_channels": 12, **arguments}
    return CrossStage(8, 20, options=BARE, **shape)


def test_a_dark_block_activates_and_then_adds_its_input():
    block = DarkResidual(8, 2, BARE)
    nn.init.zeros_(block.conv2.weight)
    nn.init.constant_(block.conv2.bias, -1.0)
    x = torch.randn(2, 8, 5, 5)
    assert torch.allclose(block(x), x - 0.01)
    assert sum(p.numel() for p in block.parameters()) == (8 * 4 + 4) + (9 * 4 * 8 + 8)


def test_half_of_the_channels_go_around_the_blocks():
    stage = make()
    nn.init.zeros_(stage.conv_transition_b.weight)
    x = torch.randn(2, 8, 5, 5)
    around = stage.conv_exp(x)[:, :8]
    expected = stage.conv_transition(torch.cat([around, torch.zeros(2, 8, 5, 5)], dim=1))
    assert torch.equal(stage(x), expected)


@pytest.mark.parametrize("linear", [False, True])
def test_the_expansion_is_linear_or_not(linear):
    x = torch.randn(2, 8, 5, 5)
    stage = make(linear_expansion=linear)
    plain = nn.functional.conv2d(x, stage.conv_exp.weight)
    assert torch.allclose(stage.conv_exp(x), plain if linear else nn.functional.leaky_relu(plain, 0.01))


def test_parameters_by_hand():
    down = 9 * 8 * 12 // 2 + 12
    around = (12 * 16 + 16) + (8 * 8 + 8) + (16 * 20 + 20)
    blocks = 3 * (8 * 8 + 8)
    stage = make(stride=2, groups=2, num_blocks=3, make_block=lambda channels: nn.Conv2d(channels, channels, 1))
    assert sum(p.numel() for p in stage.parameters()) == down + around + blocks


@pytest.mark.parametrize(("stride", "size", "expected"), [(1, 7, 7), (2, 8, 4), (2, 7, 4)])
def test_sizes(stride, size, expected):
    stage = make(stride=stride)
    assert (stage.in_channels, stage.out_channels, stage.stride) == (8, 20, stride)
    assert stage(torch.zeros(1, 8, size, size)).shape == (1, 20, expected, expected)


def test_darknets_stem_ends_at_stride_two():
    stem = CSPDarknetStem(3, options=BARE)
    assert (stem.out_channels, stem.stride) == (64, 2)
    assert stem(torch.zeros(1, 3, 33, 64)).shape == (1, 64, 17, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stride": 4}, "stride 1 or 2, got 4"),
        ({"expanded": 15}, "two equal halves, got 15 channels"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
