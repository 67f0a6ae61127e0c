import pytest
import torch
import torch.nn.functional as F

from dense_det.layers.conv import (
    DeformableConv,
    LayerOptions,
    conv3x3,
    conv3x3_norm,
    conv_norm,
    conv_norm_act,
    depthwise_separable,
    reduced,
)


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


def test_a_kernel_and_a_stride_may_be_pairs():
    layer = conv_norm_act(2, 3, (5, 1), LayerOptions(norm=""), (2, 1))
    assert num_params(layer) == 5 * 2 * 3 + 3
    assert layer(torch.zeros(1, 2, 9, 7)).shape == (1, 3, 5, 7)


@pytest.mark.parametrize("conv", ["plain", "deform"])
def test_a_3x3_strides_as_it_is_asked_to(conv):
    options = LayerOptions(norm="GN", conv=conv)
    assert conv3x3(4, 6, options, groups=2, stride=2)(torch.randn(1, 4, 7, 8)).shape == (1, 6, 4, 4)


@pytest.mark.parametrize("conv", ["plain", "deform"])
def test_without_an_activation_values_stay_negative(conv):
    x = torch.randn(1, 4, 8, 8)
    assert (conv3x3_norm(4, 8, LayerOptions(norm="GN", conv=conv))(x) < 0).any()
    assert (conv3x3(4, 8, LayerOptions(norm="GN", conv=conv))(x) >= 0).all()
    assert (conv_norm(4, 8, 1, LayerOptions(norm="GN"))(x) < 0).any()


@pytest.mark.parametrize(("channels", "rate", "expected"), [(32, 4, 8), (30, 4, 7), (3, 4, 1)])
def test_reduced_by_a_rate(channels, rate, expected):
    assert reduced(channels, rate) == expected


def test_a_rate_below_one_is_refused():
    with pytest.raises(ValueError, match="1 or more, got 0"):
        reduced(32, 0)


def test_a_block_without_a_full_3x3_refuses_to_be_deformed():
    LayerOptions().refuse_deform("ABlock")
    with pytest.raises(ValueError, match="ABlock has no full 3x3 to deform: take .*DEFORM_ON_PER_STAGE"):
        LayerOptions(conv="deform").refuse_deform("ABlock")
