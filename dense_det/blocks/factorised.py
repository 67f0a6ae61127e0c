"""A large square kernel as a column and a row."""

import torch

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import squeeze_excitation
from dense_det.layers.conv import LayerOptions, conv_norm_act


@BLOCK_REGISTRY.register()
class FactorisedBlock(Block):
    """k x 1, then 1 x k, each with norm and activation: the field of a k x k at 2/k of its cost.

    Spatial factorisation (Inception-v3, arXiv 1512.00567, section 3.2); k = 5 is the 5x1 + 1x5 of the SNet rules.
    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)): the column strides down, the row strides across.

    Args:
        k: size of the kernel, odd.
        se_rate: rate of squeeze-and-excitation at the end (the paper's is 16); 0 is none.

    Raises:
        ValueError: an even k; a deformable convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        k: int = 5,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        options.refuse_deform("FactorisedBlock")
        if k < 1 or k % 2 == 0:
            raise ValueError(f"the kernel of a FactorisedBlock has a middle: k is odd, got {k}")
        self.column = conv_norm_act(in_channels, out_channels, (k, 1), options, (stride, 1))
        self.row = conv_norm_act(out_channels, out_channels, (1, k), options, (1, stride))
        self.attention = squeeze_excitation(out_channels, se_rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(self.row(self.column(x)))
