import pytest
import torch

from dense_det.blocks.osa import OSABlock
from dense_det.layers.conv import LayerOptions

GN = LayerOptions(norm="GN")


def test_what_is_concatenated_by_hand():
    # the input, then each of the three convolutions
    assert OSABlock(12, 20, mid_channels=8, num_convs=3, options=GN).aggregation.in_channels == 12 + 3 * 8
    # also where a 1x1 narrows the input for the depthwise convolutions: the input is joined as it came
    block = OSABlock(12, 20, mid_channels=8, num_convs=3, depthwise=True, options=GN)
    assert block.aggregation.in_channels == 12 + 3 * 8
    assert (block.reduction.in_channels, block.reduction.out_channels) == (12, 8)


def test_depthwise_reduces_only_where_the_width_changes():
    block = OSABlock(8, 20, mid_channels=8, num_convs=3, depthwise=True, options=GN)
    assert sum(p.numel() for p in block.reduction.parameters()) == 0
    assert OSABlock(12, 20, mid_channels=8, num_convs=3, options=GN).convs[0].in_channels == 12


def test_parameters_by_hand():
    convs = 9 * (12 * 8 + 8 * 8) + 2 * 2 * 8
    aggregation = (12 + 2 * 8) * 20 + 2 * 20
    attention = 20 * 20 + 20
    block = OSABlock(12, 20, mid_channels=8, num_convs=2, options=GN)
    assert sum(p.numel() for p in block.parameters()) == convs + aggregation + attention


def test_without_attention_the_block_is_its_aggregation():
    block = OSABlock(8, 8, mid_channels=4, num_convs=2, attention=False, options=LayerOptions(norm=""))
    torch.nn.init.zeros_(block.aggregation.weight)
    torch.nn.init.ones_(block.aggregation.bias)
    assert torch.equal(block(torch.randn(2, 8, 5, 5)), torch.ones(2, 8, 5, 5))
    assert not any(name.startswith("attention") for name in block.state_dict())


def test_the_input_is_added_after_the_attention():
    block = OSABlock(8, 8, mid_channels=4, num_convs=2, residual=True, options=LayerOptions(norm=""))
    torch.nn.init.zeros_(block.aggregation.weight)
    torch.nn.init.ones_(block.aggregation.bias)
    torch.nn.init.zeros_(block.attention.fc.weight)
    x = torch.randn(2, 8, 5, 5)
    # the branch is 1 everywhere, gated by hardsigmoid(0) = 1/2
    assert torch.allclose(block(x), x + 0.5)


@pytest.mark.parametrize(("size", "expected"), [(8, 4), (57, 28), (58, 29), (63, 31), (3, 1)])
def test_stride_two_rounds_down(size, expected):
    block = OSABlock(4, 6, mid_channels=4, num_convs=1, stride=2, options=LayerOptions(norm=""))
    assert block(torch.zeros(1, 4, size, size)).shape == (1, 6, expected, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"residual": True}, "keeps width and size, got in_channels=8, out_channels=16"),
        ({"num_convs": 0}, "1 convolution or more.*num_convs=0, mid_channels=4"),
        ({"mid_channels": 0}, "of 1 channel or more: got num_convs=1, mid_channels=0"),
        ({"stride": 4}, "stride 1 or 2, got 4"),
        ({"depthwise": True, "options": LayerOptions(conv="deform")}, "depthwise 3x3 cannot be deformable"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        OSABlock(8, 16, **{"mid_channels": 4, "num_convs": 1, "options": GN, **arguments})
