import pytest
import torch
from torch import nn

from dense_det.blocks.csp import PartialDenseBlock
from dense_det.layers.conv import LayerOptions

NONE = LayerOptions(norm="")


def make(in_channels=10, gamma=0.5, transition=True, **more):
    arguments = {"num_layers": 2, "growth": 3, "bottleneck": 4, "options": LayerOptions(), **more}
    return PartialDenseBlock(in_channels, gamma=gamma, transition=transition, **arguments)


@pytest.mark.parametrize(
    ("arguments", "bypass", "out_channels"),
    [
        ({}, 5, 5 + (5 + 6) // 2),
        ({"transition": False}, 5, 5 + 5 + 6),
        ({"drop_input": True}, 5, 5 + 6 // 2),
        ({"drop_input": True, "transition": False}, 5, 5 + 6),
        ({"gamma": 0.25}, 2, 2 + (8 + 6) // 2),
        ({"in_channels": 11}, 5, 5 + (6 + 6) // 2),
    ],
)
def test_widths_by_hand(arguments, bypass, out_channels):
    block = make(**arguments)
    assert (block.bypass, block.out_channels) == (bypass, out_channels)
    assert block(torch.randn(2, block.in_channels, 3, 4)).shape == (2, out_channels, 3, 4)


def test_parameters_by_hand():
    layers = (2 * 5 + 5 * 12 + 2 * 12 + 9 * 12 * 3) + (2 * 8 + 8 * 12 + 2 * 12 + 9 * 12 * 3)
    assert sum(p.numel() for p in make(transition=False).parameters()) == layers
    assert sum(p.numel() for p in make().parameters()) == layers + 2 * 11 + 11 * 5


@pytest.mark.parametrize(
    ("transition", "drop_input", "expected"),
    [
        # around: -1, 1; into the layers: 2, 3; the first layer adds 2 + 3, the second 2 + 3 + 5
        (False, False, [-1, 1, 2, 3, 5, 10]),
        (False, True, [-1, 1, 5, 10]),
        (True, False, [-1, 1, 20, 20]),
        (True, True, [-1, 1, 15]),
    ],
)
def test_values_by_hand(transition, drop_input, expected):
    block = make(4, transition=transition, drop_input=drop_input, growth=1, bottleneck=1, options=NONE)
    for conv in (m for m in block.modules() if isinstance(m, nn.Conv2d)):
        nn.init.ones_(conv.weight)
    assert block(torch.tensor([-1.0, 1.0, 2.0, 3.0]).reshape(1, 4, 1, 1)).flatten().tolist() == expected


@pytest.mark.parametrize("gamma", [0, 0.05, 1, -0.5])
def test_both_ways_need_channels(gamma):
    with pytest.raises(ValueError, match=f"splits 10 channels in two, got {gamma}"):
        make(gamma=gamma)


def test_recomputing_changes_no_gradient_and_no_statistic():
    torch.manual_seed(0)
    plain, efficient = make(), make(memory_efficient=True)
    efficient.load_state_dict(plain.state_dict())
    x = torch.randn(3, 10, 7, 5)
    for block in (plain, efficient):
        (block(x) * torch.linspace(-1, 1, block.out_channels)[:, None, None]).square().sum().backward()
    for one, other in zip(plain.parameters(), efficient.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(plain.buffers(), efficient.buffers(), strict=True):
        assert torch.equal(one, other)
