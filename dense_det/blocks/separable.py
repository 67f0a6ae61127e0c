"""The unit of SNet: a depthwise-separable convolution with a norm after each of its halves."""

import torch

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import squeeze_excitation
from dense_det.layers.conv import LayerOptions, conv_norm, conv_norm_act


@BLOCK_REGISTRY.register()
class SeparableBlock(Block):
    """Depthwise 3x3, norm, pointwise 1x1, norm, activation, squeeze-and-excitation; no shortcut.

    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        dilation: of the depthwise convolution.
        se_rate: rate of squeeze-and-excitation at the end (the paper's is 16); 0 is none.

    Raises:
        ValueError: deformable.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        options.refuse_deform("a SeparableBlock")
        self.depthwise = conv_norm(in_channels, in_channels, 3, options, stride, in_channels, dilation)
        self.pointwise = conv_norm_act(in_channels, out_channels, 1, options)
        self.attention = squeeze_excitation(out_channels, se_rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(self.pointwise(self.depthwise(x)))
