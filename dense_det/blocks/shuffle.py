"""The unit of ShuffleNetV2."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.conv import LayerOptions, conv_norm, conv_norm_act


@BLOCK_REGISTRY.register()
class ShuffleBlock(Block):
    """Two branches, concatenated and shuffled (ShuffleNetV2, arXiv 1807.11164, figure 3, c and d).

    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Where size and width stay, half of the channels pass by (c); else both branches see the whole input, and make
    half of the output each (d). The shuffle lets the next block's halves hold channels of either branch.

    Args:
        kernel_size: of the depthwise convolutions: 3 in the paper, 5 in ThunderNet's SNet.

    Raises:
        ValueError: an odd out_channels; an even kernel_size, which changes the size; deformable.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int = 3, stride: int = 1, options: LayerOptions
    ):
        super().__init__(in_channels, out_channels, stride)
        if out_channels % 2:
            raise ValueError(f"a ShuffleBlock makes two halves, so out_channels is even, got {out_channels}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"a ShuffleBlock keeps the size, so kernel_size is odd (3, 5, ...), got {kernel_size}")
        options.refuse_deform("a ShuffleBlock")
        half = out_channels // 2
        self.split = stride == 1 and in_channels == out_channels
        main = OrderedDict(
            reduction=conv_norm_act(half if self.split else in_channels, half, 1, options),
            depthwise=conv_norm(half, half, kernel_size, options, stride, groups=half),
            pointwise=conv_norm_act(half, half, 1, options),
        )
        bypass = OrderedDict()
        if not self.split:
            bypass["depthwise"] = conv_norm(in_channels, in_channels, kernel_size, options, stride, groups=in_channels)
            bypass["pointwise"] = conv_norm_act(in_channels, half, 1, options)
        self.main, self.bypass = nn.Sequential(main), nn.Sequential(bypass)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        passing, seen = x.chunk(2, dim=1) if self.split else (x, x)
        return F.channel_shuffle(torch.cat([self.bypass(passing), self.main(seen)], dim=1), 2)
