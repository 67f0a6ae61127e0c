import pytest
import torch

from dense_det.blocks.build import build_block
from dense_det.blocks.two_way_dense import Transition, TwoWayDenseBlock, TwoWayDenseLayer, bottleneck_width
from dense_det.layers.conv import DeformableConv, LayerOptions

BARE = LayerOptions(norm="")


@pytest.mark.parametrize(
    ("in_channels", "multiplier", "expected"),
    [
        # first layers of PeleeNet's four blocks: as asked for
        (32, 1, 16),
        (128, 2, 32),
        (256, 4, 64),
        (512, 4, 64),
        # more than half of the input: a half of it, in multiples of four
        (32, 4, 16),
        (100, 4, 48),
        (16, 1, 8),
        # exactly a half is not more
        (128, 4, 64),
        (126, 4, 60),
        # never none at all
        (3, 4, 4),
    ],
)
def test_the_bottleneck_rule_by_hand(in_channels, multiplier, expected):
    assert bottleneck_width(in_channels, 16, multiplier) == expected


def test_a_layer_joins_two_branches_to_its_input():
    layer = TwoWayDenseLayer(32, growth=8, multiplier=4, options=BARE)
    x = torch.randn(2, 32, 9, 7)
    y = layer(x)
    assert y.shape == (2, 32 + 2 * 8, 9, 7)
    assert torch.equal(y[:, :32], x)
    assert torch.equal(y[:, 32:40], layer.branch1b(layer.branch1a(x)))
    assert torch.equal(y[:, 40:], layer.branch2c(layer.branch2b(layer.branch2a(x))))


def test_the_branches_see_three_and_five_pixels():
    layer = TwoWayDenseLayer(4, growth=8, multiplier=1, options=BARE)
    for parameter in layer.parameters():
        torch.nn.init.constant_(parameter, 0.0 if parameter.dim() == 1 else 1.0)
    x = torch.zeros(1, 4, 9, 9)
    x[0, :, 4, 4] = 1
    y = layer(x)
    assert [(y[0, channel] > 0).sum().item() for channel in (4, 12)] == [3 * 3, 5 * 5]


def test_parameters_by_hand():
    # 16 -> two branches of width 8 and growth 8; then 16 + 16 -> 20; norms
    block = TwoWayDenseBlock(16, 20, num_layers=1, growth=8, options=LayerOptions(norm="GN"))
    convs = 2 * 16 * 8 + 3 * 9 * 8 * 8 + 32 * 20
    assert sum(p.numel() for p in block.parameters()) == convs + 2 * (5 * 8 + 20)


def test_a_partial_block_passes_the_first_channels_on():
    block = TwoWayDenseBlock(16, 20, num_layers=2, growth=4, bypass=0.25, options=BARE)
    assert block.layers[0].branch1a.in_channels == 12
    assert (block.transition.in_channels, block.transition.out_channels) == (12 + 2 * 8, 20 - 4)
    x = torch.randn(2, 16, 6, 6)
    y = block(x)
    assert torch.equal(y[:, :4], x[:, :4])
    assert torch.equal(y[:, 4:], block.transition(block.layers(x[:, 4:])))


@pytest.mark.parametrize(("ceil_mode", "expected"), [(False, (28, 4)), (True, (29, 5))])
def test_the_pool_rounds_as_it_is_told(ceil_mode, expected):
    block = TwoWayDenseBlock(4, 6, num_layers=1, stride=2, ceil_mode=ceil_mode, options=BARE)
    assert block(torch.zeros(1, 4, 57, 9)).shape == (1, 6, *expected)
    transition = Transition(4, 6, stride=2, ceil_mode=ceil_mode, options=BARE)
    assert transition(torch.zeros(1, 4, 57, 9)).shape == (1, 6, *expected)


def test_rounding_up_averages_the_pixels_that_there_are():
    pool = Transition(1, 1, stride=2, ceil_mode=True, options=BARE).pool
    x = torch.tensor([[[[1.0, 3.0, 7.0]]]])
    assert pool(x).tolist() == [[[[2.0, 7.0]]]]


def test_every_3x3_is_deformable_when_asked_for():
    layer = TwoWayDenseLayer(8, growth=4, multiplier=4, options=LayerOptions(conv="deform"))
    kinds = {name: isinstance(conv, DeformableConv) for name, conv in layer.named_children()}
    assert kinds == {"branch1a": False, "branch1b": True, "branch2a": False, "branch2b": True, "branch2c": True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": 0}, "1 layer or more.*got num_layers=0, growth=16"),
        ({"growth": 0}, "adds 1 channel or more: got num_layers=1, growth=0"),
        ({"stride": 4}, "stride 1 or 2, got 4"),
        ({"bypass": 1.0}, "below 1; got 1.0"),
        ({"bypass": -0.5}, "at least 0 and below 1; got -0.5"),
        ({"bypass": 0.75}, "12 of 16 channels skip the layers, of 8 outputs"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_block("TwoWayDenseBlock", 16, 8, options=BARE, **{"num_layers": 1, **arguments})
