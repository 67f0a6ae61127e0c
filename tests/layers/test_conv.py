import pytest
import torch
import torch.nn.functional as F

from dense_det.layers.conv import DeformableConv, LayerOptions, conv3x3, conv_norm_act, depthwise_separable


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_a_norm_takes_the_place_of_the_bias():
    assert num_params(conv_norm_act(3, 8, 3, LayerOptions(norm="BN"))) == 3 * 8 * 9 + 2 * 8
    assert num_params(conv_norm_act(3, 8, 3, LayerOptions(norm="FrozenBN"))) == 3 * 8 * 9
    assert num_params(conv_norm_act(3, 8, 3, LayerOptions(norm=""))) == 3 * 8 * 9 + 8


def test_convolution_then_norm_then_activation():
    layer = conv_norm_act(1, 2, 1, LayerOptions(norm="GN"))
    torch.nn.init.constant_(layer.weight, 2.0)
    y = layer(torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 2))
    # 2, 6 in either channel (a group of its own): -1, 1 after the norm; 0, 1 after the activation
    assert torch.allclose(y, torch.tensor([[0.0, 1.0], [0.0, 1.0]]).reshape(1, 2, 1, 2), atol=1e-4)


@pytest.mark.parametrize(("size", "halved"), [(8, 4), (7, 4), (1, 1)])
def test_stride_two_rounds_up(size, halved):
    x = torch.zeros(1, 3, size, size)
    assert conv_norm_act(3, 4, 3, LayerOptions(norm=""), stride=2)(x).shape == (1, 4, halved, halved)
    assert depthwise_separable(3, 4, LayerOptions(norm=""), stride=2)(x).shape == (1, 4, halved, halved)


def test_depthwise_separable_has_nothing_between_its_two_convolutions():
    layer = depthwise_separable(6, 10, LayerOptions(norm="BN"))
    assert num_params(layer) == 6 * 9 + 6 * 10 + 2 * 10
    assert layer.depthwise.groups == 6 and layer.depthwise.bias is None


def test_kaiming_keeps_the_variance_of_depthwise_convolutions_too():
    torch.manual_seed(0)
    layer = depthwise_separable(256, 256, LayerOptions(norm=""))
    assert layer.depthwise.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    assert layer.pointwise.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.05)


def test_a_deformable_conv_starts_as_half_a_convolution():
    torch.manual_seed(0)
    layer = DeformableConv(3, 4, LayerOptions(norm="", conv="deform"))
    x = torch.randn(2, 3, 6, 5)
    # no offsets, and every mask is sigmoid(0)
    assert torch.allclose(layer(x), F.relu(0.5 * F.conv2d(x, layer.conv.weight, padding=1)), atol=1e-5)


def test_an_offset_of_one_pixel_to_the_right_shifts_the_picture():
    layer = DeformableConv(1, 1, LayerOptions(norm="", conv="deform"))
    with torch.no_grad():
        layer.conv.weight.zero_()[0, 0, 1, 1] = 1.0  # the identity
        layer.offset.bias[1:18:2] = 1.0  # dx of every tap
        layer.offset.bias[18:] = 100.0  # masks of one
    y = layer(torch.arange(1.0, 5.0).reshape(1, 1, 1, 4))
    assert torch.allclose(y.flatten(), torch.tensor([2.0, 3.0, 4.0, 0.0]))


def test_offsets_and_masks_learn():
    layer = conv3x3(3, 4, LayerOptions(norm="GN", conv="deform"))
    layer(torch.randn(2, 3, 6, 6)).square().sum().backward()
    gradient = layer.offset.weight.grad.abs().sum((1, 2, 3))
    assert gradient[:18].sum() > 0 and gradient[18:].sum() > 0


def test_channels_last_weights_deform_alike():
    layer = conv3x3(3, 4, LayerOptions(norm="GN", conv="deform"))
    x = torch.randn(2, 3, 6, 6)
    expected = layer(x)
    layer = layer.to(memory_format=torch.channels_last)
    assert torch.allclose(layer(x.contiguous(memory_format=torch.channels_last)), expected, atol=1e-6)


def test_an_unknown_kind_of_convolution_is_refused():
    with pytest.raises(ValueError, match="did you mean 'deform'"):
        LayerOptions(conv="deformable")
