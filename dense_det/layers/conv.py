"""Convolutions with their norm and activation."""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from detectron2.layers import Conv2d
from torch import nn
from torchvision.ops import DeformConv2d

from dense_det.layers.norm import get_activation, get_norm
from dense_det.suggest import unknown

CONVS = ("plain", "deform")


@dataclass(frozen=True)
class LayerOptions:
    """What an experimenter may vary of every convolution.

    Attributes:
        norm: "BN", "SyncBN", "FrozenBN", "GN", "LN" or "" (none; the convolution then has a bias).
        activation: "ReLU", "ReLU6", "LeakyReLU", "SiLU", "Hardswish" or "GELU".
        conv: what a 3x3 of a block is: "plain" or "deform".

    Raises:
        ValueError: another conv; a wrong norm or activation is answered where it is built.
    """

    norm: str = "BN"
    activation: str = "ReLU"
    conv: str = "plain"

    def __post_init__(self):
        if self.conv not in CONVS:
            raise ValueError(unknown("kind of convolution", self.conv, CONVS))

    def refuse_deform(self, block: str) -> None:
        """ValueError where `conv` asks to deform the 3x3 of a block that has none, or only depthwise ones."""
        if self.conv == "deform":
            raise ValueError(f"{block} has no full 3x3 to deform: take MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE back")


def conv_norm_act(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    options: LayerOptions,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    dilation: int = 1,
):
    """Convolution, norm, activation. (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Pairs are (height, width), as in torch.
    """
    conv = conv_norm(in_channels, out_channels, kernel_size, options, stride, groups, dilation)
    conv.activation = get_activation(options.activation)
    return conv


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    options: LayerOptions,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    dilation: int = 1,
):
    """Convolution and norm: as conv_norm_act, for what gets its activation later or none."""
    conv = Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=_same_padding(kernel_size, dilation),
        dilation=dilation,
        groups=groups,
        bias=options.norm == "",
        norm=get_norm(options.norm, out_channels),
    )
    return init_conv(conv)


def conv3x3(in_channels: int, out_channels: int, options: LayerOptions, groups: int = 1, stride: int = 1):
    """The 3x3 of a block, as `options.conv` says: plain or deformable, with norm and activation."""
    if options.conv == "deform":
        return DeformableConv(in_channels, out_channels, options, groups, stride)
    return conv_norm_act(in_channels, out_channels, 3, options, stride, groups)


def conv3x3_norm(in_channels: int, out_channels: int, options: LayerOptions, groups: int = 1, stride: int = 1):
    """As conv3x3, for what gets its activation later (the end of a residual branch) or none."""
    conv = conv3x3(in_channels, out_channels, options, groups, stride)
    conv.activation = nn.Identity()
    return conv


def depthwise_separable(in_channels: int, out_channels: int, options: LayerOptions, stride: int = 1):
    """Depthwise 3x3, then pointwise 1x1, norm, activation: nothing between the two, as VoVNetV2 has it."""
    depthwise = nn.Conv2d(in_channels, in_channels, 3, stride=stride, padding=1, groups=in_channels, bias=False)
    return nn.Sequential(
        OrderedDict(
            depthwise=init_conv(depthwise),
            pointwise=conv_norm_act(in_channels, out_channels, 1, options),
        )
    )


class DeformableConv(nn.Module):
    """Modulated deformable 3x3 (DCNv2, arXiv 1811.11168), norm, activation.

    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Each of the 9 taps is read at an offset and weighted by a mask in [0, 1]; both come from a 3x3 convolution
    that starts at zero: no offset, and masks of one half.
    """

    def __init__(self, in_channels: int, out_channels: int, options: LayerOptions, groups: int = 1, stride: int = 1):
        super().__init__()
        # 9 taps x (dy, dx), then 9 mask logits
        self.offset = nn.Conv2d(in_channels, 27, 3, stride=stride, padding=1)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)
        conv = DeformConv2d(in_channels, out_channels, 3, stride, padding=1, groups=groups, bias=options.norm == "")
        self.conv = init_conv(conv)
        self.norm = get_norm(options.norm, out_channels) or nn.Identity()
        self.activation = get_activation(options.activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        offset, mask = self.offset(x).split([18, 9], dim=1)
        return self.activation(self.norm(self.conv(x, offset, mask.sigmoid())))


def _same_padding(kernel_size: int | tuple[int, int], dilation: int) -> int | tuple[int, int]:
    """The padding that keeps the size."""
    if isinstance(kernel_size, int):
        return dilation * (kernel_size // 2)
    return tuple(dilation * (k // 2) for k in kernel_size)


def reduced(channels: int, rate: int) -> int:
    """channels // rate, the width of a bottleneck, but at least one channel; ValueError unless rate >= 1."""
    if rate < 1:
        raise ValueError(f"a rate divides channels: it is 1 or more, got {rate}")
    return max(channels // rate, 1)


def init_conv(conv: nn.Module) -> nn.Module:
    """Kaiming-normal weights (by fan-in: depthwise convolutions keep their variance, too), zero bias."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
