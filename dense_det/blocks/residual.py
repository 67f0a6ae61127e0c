"""Blocks that add their input."""

import torch
from torch import nn

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import squeeze_excitation
from dense_det.layers.conv import LayerOptions, conv3x3, conv3x3_norm, conv_norm, conv_norm_act, reduced
from dense_det.layers.norm import get_activation


class ShortcutBlock(Block):
    """activation(attention(branch(x)) + shortcut(x)); a subclass makes `branch`, which ends in a norm.

    The shortcut is the input itself, or a 1x1 and a norm where width or stride changes.

    Args:
        se_rate: rate of squeeze-and-excitation on the branch (the paper's is 16); 0 is none.
        shortcut: False adds nothing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        se_rate: int,
        shortcut: bool = True,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        if not shortcut:
            self.shortcut = None
        elif stride != 1 or in_channels != out_channels:
            self.shortcut = conv_norm(in_channels, out_channels, 1, options, stride)
        else:
            self.shortcut = nn.Identity()
        self.attention = squeeze_excitation(out_channels, se_rate)
        self.activation = get_activation(options.activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.attention(self.branch(x))
        return self.activation(y if self.shortcut is None else y + self.shortcut(x))


@BLOCK_REGISTRY.register()
class ResidualBlock(ShortcutBlock):
    """Two 3x3 and a shortcut: the basic block of ResNet-18 and -34 (arXiv 1512.03385, figure 5, left).

    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        inner_activation: False leaves the one activation after the addition: fewer element-wise operations.
        shortcut, se_rate: see ShortcutBlock.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        inner_activation: bool = True,
        shortcut: bool = True,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride=stride, se_rate=se_rate, shortcut=shortcut, options=options)
        first = conv3x3 if inner_activation else conv3x3_norm
        self.conv1 = first(in_channels, out_channels, options, stride=stride)
        self.conv2 = conv3x3_norm(out_channels, out_channels, options)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(self.conv1(x))


@BLOCK_REGISTRY.register()
class ResNeXtBlock(ShortcutBlock):
    """Paths of 1x1, 3x3, 1x1 that are added, and a shortcut (ResNeXt, arXiv 1611.05431).

    In the form of figure 3 (c): the paths side by side, the 3x3 grouped. With r=4, c=1 the bottleneck of ResNet-50.
    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        r: the 3x3 have C_out / r channels together.
        c: cardinality, the number of paths; each is C_out // (c * r) wide, at least 1.
        se_rate: see ShortcutBlock.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        r: int = 2,
        c: int = 4,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride=stride, se_rate=se_rate, options=options)
        width = c * reduced(out_channels, c * r)
        self.conv1 = conv_norm_act(in_channels, width, 1, options)
        self.conv2 = conv3x3(width, width, options, groups=c, stride=stride)
        self.conv3 = conv_norm(width, out_channels, 1, options)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv3(self.conv2(self.conv1(x)))
