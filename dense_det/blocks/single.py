"""One layer with the contract of a block."""

import torch
from torch import nn

from dense_det.blocks.build import Block
from dense_det.layers.conv import LayerOptions, conv_norm_act


class ConvBlock(Block):
    """Convolution, norm, activation. (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        dilation: 2 lets a 3x3 see 5x5 pixels at the cost of nine.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        self.conv = conv_norm_act(in_channels, out_channels, kernel_size, options, stride, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class MaxPoolBlock(Block):
    """Max pool 3x3 of stride 2, as after the stem of a ResNet. (N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2))."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x)
