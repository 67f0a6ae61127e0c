"""A 3x3 between two 1x1."""

import torch

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import squeeze_excitation
from dense_det.layers.conv import LayerOptions, conv3x3, conv_norm_act, reduced


@BLOCK_REGISTRY.register()
class BottleneckBlock(Block):
    """1x1 to fewer channels, 3x3, 1x1 to C_out, each with norm and activation; no shortcut (ResNeXtBlock has one).

    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        r: the 3x3 has C_out // r channels.
        se_rate: rate of squeeze-and-excitation at the end (the paper's is 16); 0 is none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        r: int = 4,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        width = reduced(out_channels, r)
        self.conv1 = conv_norm_act(in_channels, width, 1, options)
        self.conv2 = conv3x3(width, width, options, stride=stride)
        self.conv3 = conv_norm_act(width, out_channels, 1, options)
        self.attention = squeeze_excitation(out_channels, se_rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(self.conv3(self.conv2(self.conv1(x))))
