"""The dense block in its plain form: no bottlenecks, and activations after the convolutions."""

import torch
from torch import nn

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import squeeze_excitation
from dense_det.layers.conv import LayerOptions, conv3x3, conv_norm_act


@BLOCK_REGISTRY.register()
class PlainDenseBlock(Block):
    """d 3x3 of f channels, each of the input and all before it (DenseNet, arXiv 1608.06993, figure 1), then a 1x1.

    The layers are convolution, norm, activation; DenseNet's own have norm and activation first. The 1x1 of the
    C_in + d * f channels to C_out is DenseNet's transition.
    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)): stride 2 is an average pool of the input.

    Args:
        f: growth, the channels that a layer adds.
        d: depth, the number of layers.
        se_rate: rate of squeeze-and-excitation at the end (the paper's is 16); 0 is none.

    Raises:
        ValueError: a block without layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        f: int = 32,
        d: int = 5,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        if d < 1 or f < 1:
            raise ValueError(f"a PlainDenseBlock has d layers of f channels, 1 or more, got d={d}, f={f}")
        self.pool = nn.AvgPool2d(stride, stride, ceil_mode=True) if stride > 1 else nn.Identity()
        self.convs = nn.ModuleList(conv3x3(in_channels + i * f, f, options) for i in range(d))
        self.transition = conv_norm_act(in_channels + d * f, out_channels, 1, options)
        self.attention = squeeze_excitation(out_channels, se_rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        for conv in self.convs:
            x = torch.cat([x, conv(x)], dim=1)
        return self.attention(self.transition(x))
