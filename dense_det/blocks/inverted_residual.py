"""The blocks of MobileNetV2 (arXiv 1801.04381)."""

import torch
from torch import nn

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import squeeze_excitation
from dense_det.layers.conv import LayerOptions, conv_norm, conv_norm_act


@BLOCK_REGISTRY.register()
class InvertedResidualBlock(Block):
    """1x1 to more channels, depthwise 3x3, linear 1x1 to C_out; adds the input where width and size stay (figure 4).

    No activation after the last 1x1 nor after the addition: few channels lose what an activation cuts (section 3.2).
    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        r: the 3x3 has r * C_in channels, the paper's t; 1 leaves the first 1x1 out.
        se_rate: rate of squeeze-and-excitation behind the 3x3, as in MobileNetV3 (arXiv 1905.02244); 0 is none.

    Raises:
        ValueError: an r below 1; a deformable convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        r: int = 6,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        options.refuse_deform("InvertedResidualBlock")
        if r < 1:
            raise ValueError(f"an InvertedResidualBlock widens by r, 1 or more, got {r}")
        width = r * in_channels
        self.expand = conv_norm_act(in_channels, width, 1, options) if r > 1 else nn.Identity()
        self.depthwise = conv_norm_act(width, width, 3, options, stride, groups=width)
        self.attention = squeeze_excitation(width, se_rate)
        self.project = conv_norm(width, out_channels, 1, options)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.attention(self.depthwise(self.expand(x))))
        return y + x if self.residual else y


class MobileNetV2Stem(Block):
    """3x3 of stride 2 to twice the width, then an inverted residual that widens nothing (table 2, rows 1 and 2).

    (N, C_in, H, W) -> (N, C_out, ceil(H / 2), ceil(W / 2)): stride 4 is the first block's of stage2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, options: LayerOptions):
        super().__init__(in_channels, out_channels, 2)
        self.conv = conv_norm_act(in_channels, 2 * out_channels, 3, options, stride=2)
        self.block = InvertedResidualBlock(2 * out_channels, out_channels, r=1, options=options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(self.conv(x))
