"""Cross-stage partial stages of residual blocks (CSPNet, arXiv 1911.11929).

The names of the convolutions, and where a stage is split, are those of timm's CSPNet, whose weights there are.
"""

from collections.abc import Callable

import torch
from torch import nn

from dense_det.blocks.build import Block
from dense_det.layers.conv import LayerOptions, conv3x3, conv_norm, conv_norm_act


class DarkResidual(nn.Module):
    """1x1, 3x3, plus the input (Darknet-53: YOLOv3, arXiv 1804.02767, table 1). (N, C, H, W) -> same.

    Args:
        r: the 1x1 has C / r channels.
    """

    def __init__(self, channels: int, r: int, options: LayerOptions):
        super().__init__()
        self.conv1 = conv_norm_act(channels, channels // r, 1, options)
        self.conv2 = conv3x3(channels // r, channels, options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(self.conv1(x)) + x


class CrossStage(Block):
    """Half of the channels through residual blocks, the other half around them, joined by a 1x1 (CSPNet, figure 5).

    3x3 (stride 2 only) - 1x1 expansion - split - [blocks - 1x1 on one half] - joined with the other - 1x1.
    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    Args:
        make_block: a residual block of that many channels.
        expanded: channels that are split in two.
        down_channels: width after the 3x3 of stride 2.
        groups: of that 3x3.
        linear_expansion: the expansion has no activation.

    Raises:
        ValueError: a stride other than 1 and 2; an odd `expanded`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_blocks: int,
        make_block: Callable[[int], nn.Module],
        expanded: int,
        down_channels: int,
        groups: int = 1,
        linear_expansion: bool = False,
        stride: int = 1,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        if stride not in (1, 2):
            raise ValueError(f"a CrossStage has stride 1 or 2, got {stride}")
        if expanded % 2:
            raise ValueError(f"expanded is split into two equal halves, got {expanded} channels")
        self.conv_down = nn.Identity()
        if stride == 2:
            self.conv_down = conv_norm_act(in_channels, down_channels, 3, options, stride=2, groups=groups)
            in_channels = down_channels
        expand = conv_norm if linear_expansion else conv_norm_act
        self.conv_exp = expand(in_channels, expanded, 1, options)
        half = expanded // 2
        self.blocks = nn.Sequential(*[make_block(half) for _ in range(num_blocks)])
        self.conv_transition_b = conv_norm_act(half, half, 1, options)
        self.conv_transition = conv_norm_act(expanded, out_channels, 1, options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around, through = self.conv_exp(self.conv_down(x)).chunk(2, dim=1)
        return self.conv_transition(torch.cat([around, self.conv_transition_b(self.blocks(through))], dim=1))


class CSPDarknetStem(Block):
    """A 3x3 at full size, then a first cross-stage of one block, whose halves are as wide as its output.

    (N, C_in, H, W) -> (N, 64, H / 2, W / 2), rounded up.
    """

    def __init__(self, in_channels: int, *, options: LayerOptions):
        super().__init__(in_channels, 64, 2)
        self.conv1 = conv_norm_act(in_channels, 32, 3, options)
        self.stage = CrossStage(
            32,
            64,
            num_blocks=1,
            make_block=lambda channels: DarkResidual(channels, 2, options),
            expanded=128,
            down_channels=64,
            stride=2,
            options=options,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stage(self.conv1(x))
