"""The dense block of PeleeNet, whose layers see in two fields of view, and its partial form."""

import torch
from torch import nn

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.conv import LayerOptions, conv3x3, conv_norm_act


def bottleneck_width(in_channels: int, growth: int, multiplier: int) -> int:
    """Width of a layer's 1x1 convolutions (Pelee, arXiv 1804.06882, "dynamic number of channels in bottleneck layer").

    `multiplier` quarters of `growth` each, but where that is more than half of the input a half of the input,
    in multiples of four, and at least four: a bottleneck never costs more than the layer would without it.

    Args:
        growth: channels that each of the two branches adds.
    """
    width = growth * multiplier // 4 * 4
    return max(in_channels // 8 * 4, 4) if width > in_channels / 2 else width


class TwoWayDenseLayer(nn.Module):
    """Two branches joined to the input (Pelee, figure 1): 1x1, 3x3; and 1x1, 3x3, 3x3, which sees 5x5.

    (N, C, H, W) -> (N, C + 2 * growth, H, W).
    """

    def __init__(self, in_channels: int, *, growth: int, multiplier: int, options: LayerOptions):
        super().__init__()
        width = bottleneck_width(in_channels, growth, multiplier)
        self.branch1a = conv_norm_act(in_channels, width, 1, options)
        self.branch1b = conv3x3(width, growth, options)
        self.branch2a = conv_norm_act(in_channels, width, 1, options)
        self.branch2b = conv3x3(width, growth, options)
        self.branch2c = conv3x3(growth, growth, options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = self.branch1b(self.branch1a(x))
        wide = self.branch2c(self.branch2b(self.branch2a(x)))
        return torch.cat([x, narrow, wide], dim=1)


class Transition(Block):
    """Average pool 2x2 (stride 2) and a 1x1. (N, C_in, H, W) -> (N, C_out, H / stride, W / stride).

    Args:
        ceil_mode: sizes that do not divide are rounded up, as Caffe does, not down.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, ceil_mode: bool = False, options: LayerOptions
    ):
        super().__init__(in_channels, out_channels, stride)
        self.pool = _halve(stride, ceil_mode)
        self.conv = conv_norm_act(in_channels, out_channels, 1, options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.pool(x))


@BLOCK_REGISTRY.register()
class TwoWayDenseBlock(Block):
    """Two-way dense layers and a 1x1 transition (Pelee, table 1); partial with `bypass` (CSPNet, arXiv 1911.11929).

    (N, C_in, H, W) -> (N, C_out, H / stride, W / stride). With `bypass`, the first channels of the input skip the
    layers and are joined to the transition's output: CSPNet's partial dense block and partial transition.

    Args:
        num_layers: two-way dense layers.
        growth: channels that each of a layer's two branches adds.
        multiplier: see bottleneck_width.
        bypass: share of the input's channels that skips the layers, CSPNet's gamma; 0 for Pelee's own block.
        stride: 2 pools before the layers.
        ceil_mode: sizes that do not divide are rounded up, as Caffe does, not down.

    Raises:
        ValueError: a stride other than 1 and 2; a bypass not in [0, 1), or as wide as the output; num_layers or growth
            below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_layers: int,
        growth: int = 16,
        multiplier: int = 4,
        bypass: float = 0.0,
        stride: int = 1,
        ceil_mode: bool = False,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        if num_layers < 1 or growth < 1:
            raise ValueError(
                f"a TwoWayDenseBlock has 1 layer or more, that adds 1 channel or more: got num_layers={num_layers}, "
                f"growth={growth}"
            )
        if not 0 <= bypass < 1:
            raise ValueError(f"bypass is a share of the channels, at least 0 and below 1; got {bypass}")
        self.skipped = skipped = int(in_channels * bypass)
        if skipped >= out_channels:
            raise ValueError(f"{skipped} of {in_channels} channels skip the layers, of {out_channels} outputs")
        self.pool = _halve(stride, ceil_mode)
        width, layers = in_channels - skipped, []
        for _ in range(num_layers):
            layers.append(TwoWayDenseLayer(width, growth=growth, multiplier=multiplier, options=options))
            width += 2 * growth
        self.layers = nn.Sequential(*layers)
        self.transition = conv_norm_act(width, out_channels - skipped, 1, options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        if self.skipped == 0:
            return self.transition(self.layers(x))
        skipped, x = x[:, : self.skipped], x[:, self.skipped :]
        return torch.cat([skipped, self.transition(self.layers(x))], dim=1)


def _halve(stride: int, ceil_mode: bool) -> nn.Module:
    if stride not in (1, 2):
        raise ValueError(f"a pool halves the size or there is none: stride 1 or 2, got {stride}")
    return nn.AvgPool2d(2, stride=2, ceil_mode=ceil_mode) if stride == 2 else nn.Identity()
