import pytest
import torch
from torch import nn

from dense_det.layers.attention import ESE, SE, SpatialAttention, squeeze_excitation


@pytest.mark.parametrize(
    ("weight", "bias", "gate"),
    [(2.0, -1.0, 4 / 6), (0.0, 0.0, 0.5), (0.0, 3.0, 1.0), (5.0, 5.0, 1.0), (-4.0, 0.0, 0.0), (1.0, -2.0, 2 / 6)],
)
def test_gate_by_hand(weight, bias, gate):
    layer = ESE(1)
    torch.nn.init.constant_(layer.fc.weight, weight)
    torch.nn.init.constant_(layer.fc.bias, bias)
    x = torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2)  # mean 1: gate = relu6(weight + bias + 3) / 6
    assert torch.allclose(layer(x), gate * x)


def test_each_image_and_channel_has_its_own_gate_from_all_channels():
    layer = ESE(2)
    with torch.no_grad():
        layer.fc.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]).reshape(2, 2, 1, 1))  # each reads the other
    x = torch.tensor([[3.0, -3.0], [0.0, 3.0]]).reshape(2, 2, 1, 1)
    expected = torch.tensor([[3.0 * 0.0, -3.0 * 1.0], [0.0, 3.0 * 0.5]]).reshape(2, 2, 1, 1)
    assert torch.allclose(layer(x), expected)


def test_one_full_width_layer_with_bias():
    assert sum(p.numel() for p in ESE(12).parameters()) == 12 * 12 + 12


def test_squeeze_and_excitation_by_hand():
    layer = SE(2, rate=2)
    with torch.no_grad():
        layer.fc1.weight.copy_(torch.tensor([1.0, 1.0]).reshape(1, 2, 1, 1))
        layer.fc1.bias.fill_(-3.0)
        layer.fc2.weight.copy_(torch.tensor([2.0, -2.0]).reshape(2, 1, 1, 1))
    x = torch.tensor([[1.0, 3.0], [4.0, 0.0]]).reshape(1, 2, 1, 2)
    # means 2 and 2: relu(2 + 2 - 3) = 1, so the gates are sigmoid(2) and sigmoid(-2)
    gates = torch.tensor([2.0, -2.0]).sigmoid().reshape(1, 2, 1, 1)
    assert torch.allclose(layer(x), gates * x)
    # smaller images: relu(-3) = 0, and every gate is a half
    assert torch.allclose(layer(0 * x + 0.5), torch.full_like(x, 0.25))


@pytest.mark.parametrize(("channels", "squeezed"), [(64, 4), (40, 2), (8, 1)])
def test_a_sixteenth_of_the_channels_but_at_least_one(channels, squeezed):
    assert sum(p.numel() for p in SE(channels).parameters()) == 2 * channels * squeezed + squeezed + channels


def test_a_rate_of_zero_is_none():
    assert isinstance(squeeze_excitation(8, 0), nn.Identity)
    with pytest.raises(ValueError, match="1 or more, got -1"):
        squeeze_excitation(8, -1)


def test_spatial_attention_by_hand():
    gate = SpatialAttention()
    with torch.no_grad():
        gate.conv.weight.zero_()
        gate.conv.weight[0, :, 1, 1] = torch.tensor([1.0, -1.0])  # mean less maximum, at the place itself
    x = torch.tensor([[[[1.0, 3.0]], [[3.0, 3.0]]]])  # two channels of two places
    # means 2, 3; maxima 3, 3
    expected = x * torch.sigmoid(torch.tensor([-1.0, 0.0]))
    assert torch.allclose(gate(x), expected)
    assert sum(p.numel() for p in gate.parameters()) == 2 * 9
