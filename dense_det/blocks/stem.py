"""The first layers: an image to stride 4."""

import torch
from torch import nn

from dense_det.blocks.build import Block
from dense_det.layers.conv import LayerOptions, conv_norm_act, depthwise_separable


class ConvStem(Block):
    """Three 3x3 convolutions of stride 2, 1, 2 (VoVNet, arXiv 1904.09730, table 1).

    (N, C_in, H, W) -> (N, widths[2], H / 4, W / 4).

    Args:
        widths: output channels of the three.
        depthwise: the second and third are depthwise-separable.
    """

    def __init__(self, in_channels: int, widths: tuple[int, int, int], *, depthwise: bool, options: LayerOptions):
        super().__init__(in_channels, widths[2], 4)

        def conv(c_in: int, c_out: int, stride: int) -> nn.Module:
            if depthwise:
                return depthwise_separable(c_in, c_out, options, stride)
            return conv_norm_act(c_in, c_out, 3, options, stride)

        self.conv1 = conv_norm_act(in_channels, widths[0], 3, options, stride=2)
        self.conv2 = conv(widths[0], widths[1], stride=1)
        self.conv3 = conv(widths[1], widths[2], stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv3(self.conv2(self.conv1(x)))


class ResNetStem(Block):
    """7x7 of stride 2, max pool 3x3 of stride 2 (ResNet, arXiv 1512.03385, table 1).

    (N, C_in, H, W) -> (N, C_out, H / 4, W / 4), each half rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, *, options: LayerOptions):
        super().__init__(in_channels, out_channels, 4)
        self.conv1 = conv_norm_act(in_channels, out_channels, 7, options, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.conv1(x))


class PeleeStem(Block):
    """A 3x3 of stride 2, halved again by a bottleneck and by a max pool side by side (Pelee, arXiv 1804.06882, fig. 2).

    (N, C_in, H, W) -> (N, C_out, H / 4, W / 4), each half rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, *, options: LayerOptions):
        super().__init__(in_channels, out_channels, 4)
        self.stem1 = conv_norm_act(in_channels, out_channels, 3, options, stride=2)
        self.stem2a = conv_norm_act(out_channels, out_channels // 2, 1, options)
        self.stem2b = conv_norm_act(out_channels // 2, out_channels, 3, options, stride=2)
        # rounded up, as the convolution beside it: with a floor, odd sizes do not fit together
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.stem3 = conv_norm_act(2 * out_channels, out_channels, 1, options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem1(x)
        return self.stem3(torch.cat([self.pool(x), self.stem2b(self.stem2a(x))], dim=1))
