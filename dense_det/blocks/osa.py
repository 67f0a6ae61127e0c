"""One-shot aggregation, the block of VoVNet."""

import torch
from torch import nn

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import ESE
from dense_det.layers.conv import LayerOptions, conv3x3, conv_norm_act, depthwise_separable


@BLOCK_REGISTRY.register()
class OSABlock(Block):
    """One-shot aggregation (VoVNet, arXiv 1904.09730; V2: 1911.06667): convs in a row, concatenated once, 1x1, eSE.

    (N, C_in, H, W) -> (N, C_out, H / stride, W / stride), rounded down.

    Args:
        mid_channels: width of each 3x3.
        num_convs: how many 3x3 in a row.
        stride: 2 pools before the convolutions.
        residual: add the input at the end, after eSE.
        attention: weigh the channels by eSE (VoVNetV2); VoVNet V1 has none.
        depthwise: 3x3 are depthwise-separable, after a 1x1 to mid_channels where the input has another width.

    Raises:
        ValueError: residual with C_in != C_out or a stride; a stride other than 1 and 2; deformable depthwise;
            mid_channels or num_convs below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        mid_channels: int,
        num_convs: int,
        stride: int = 1,
        residual: bool = False,
        attention: bool = True,
        depthwise: bool = False,
        options: LayerOptions,
    ):
        super().__init__(in_channels, out_channels, stride)
        if stride not in (1, 2):
            raise ValueError(f"an OSABlock has stride 1 or 2, got {stride}")
        if mid_channels < 1 or num_convs < 1:
            raise ValueError(
                f"an OSABlock has 1 convolution or more, of 1 channel or more: got num_convs={num_convs}, "
                f"mid_channels={mid_channels}"
            )
        if residual and (in_channels != out_channels or stride != 1):
            raise ValueError(
                "a residual OSABlock keeps width and size, got "
                f"in_channels={in_channels}, out_channels={out_channels}, stride={stride}"
            )
        if depthwise and options.conv == "deform":
            raise ValueError("depthwise 3x3 cannot be deformable: use a variant without dw, or no DEFORM_ON_PER_STAGE")
        self.residual = residual
        # ceil_mode without padding: the size is floored, so inputs must be multiples of 32 for a pyramid
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True) if stride == 2 else nn.Identity()
        reduce = depthwise and in_channels != mid_channels
        self.reduction = conv_norm_act(in_channels, mid_channels, 1, options) if reduce else nn.Identity()
        conv = depthwise_separable if depthwise else conv3x3
        widths = [mid_channels if depthwise else in_channels] + [mid_channels] * (num_convs - 1)
        self.convs = nn.ModuleList(conv(width, mid_channels, options) for width in widths)
        self.aggregation = conv_norm_act(in_channels + num_convs * mid_channels, out_channels, 1, options)
        self.attention = ESE(out_channels) if attention else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        outputs = [x]  # the input itself, also where `reduction` narrows what the convolutions see
        y = self.reduction(x)
        for conv in self.convs:
            y = conv(y)
            outputs.append(y)
        y = self.attention(self.aggregation(torch.cat(outputs, dim=1)))
        return y + x if self.residual else y
