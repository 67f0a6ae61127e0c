import pytest
import torch

from dense_det.layers.attention import ESE


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
