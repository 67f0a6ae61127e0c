"""Parallel convolutions of several sizes, concatenated (Inception, arXiv 1409.4842, figure 2)."""

import torch
from torch import nn

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import squeeze_excitation
from dense_det.layers.conv import LayerOptions, conv3x3, conv_norm_act, reduced


class ConcatBlock(Block):
    """The branches' outputs, concatenated; a 1x1 with norm and activation where those are not C_out channels.

    Args:
        branches: each (N, C_in, H, W) -> (N, some channels, ceil(H / stride), ceil(W / stride)).
        num_channels: of all branches together.
        se_rate: rate of squeeze-and-excitation at the end (the paper's is 16); 0 is none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        branches: list[nn.Module],
        num_channels: int,
        *,
        stride: int,
        se_rate: int,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        self.branches = nn.ModuleList(branches)
        fits = num_channels == out_channels
        self.projection = nn.Identity() if fits else conv_norm_act(num_channels, out_channels, 1, options)
        self.attention = squeeze_excitation(out_channels, se_rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(self.projection(torch.cat([branch(x) for branch in self.branches], dim=1)))


@BLOCK_REGISTRY.register()
class NaiveInceptionBlock(ConcatBlock):
    """1x1, 3x3 and 5x5 of f channels each and a 3x3 max pool of the input, concatenated (figure 2 a).

    The pool hands on all input channels, so 3 f + C_in of them grow from block to block: a 1x1 makes C_out of them.
    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        f: width of a branch; C_out // 4 unless given.
        se_rate: see ConcatBlock.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        f: int | None = None,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        f = f or reduced(out_channels, 4)
        branches = [
            conv_norm_act(in_channels, f, 1, options, stride),
            conv3x3(in_channels, f, options, stride=stride),
            conv_norm_act(in_channels, f, 5, options, stride),
            nn.MaxPool2d(3, stride, padding=1),
        ]
        shared = {"stride": stride, "se_rate": se_rate, "options": options}
        super().__init__(in_channels, out_channels, branches, 3 * f + in_channels, **shared)


@BLOCK_REGISTRY.register()
class InceptionBlock(ConcatBlock):
    """As NaiveInceptionBlock with 1x1 before the 3x3 (to f // 3) and the 5x5 (to f // r), after the pool (to f).

    Figure 2 (b). The four branches are 4 f channels; a 1x1 makes C_out of them only where that differs.
    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        f: width of a branch; C_out // 4 unless given.
        r: how much narrower the 5x5 reads.
        se_rate: see ConcatBlock.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        f: int | None = None,
        r: int = 4,
        se_rate: int = 0,
        options: LayerOptions,
    ):
        f = f or reduced(out_channels, 4)
        to_3x3, to_5x5 = reduced(f, 3), reduced(f, r)
        branches = [
            conv_norm_act(in_channels, f, 1, options, stride),
            nn.Sequential(conv_norm_act(in_channels, to_3x3, 1, options), conv3x3(to_3x3, f, options, stride=stride)),
            nn.Sequential(conv_norm_act(in_channels, to_5x5, 1, options), conv_norm_act(to_5x5, f, 5, options, stride)),
            nn.Sequential(nn.MaxPool2d(3, stride, padding=1), conv_norm_act(in_channels, f, 1, options)),
        ]
        shared = {"stride": stride, "se_rate": se_rate, "options": options}
        super().__init__(in_channels, out_channels, branches, 4 * f, **shared)
