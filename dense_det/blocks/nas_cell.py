"""Cells that a search has found: NASNet-A and AmoebaNet-A.

A cell is five sums of two operations each. The papers' cells read the two cells before them, h_{i-1} and h_i; a Block
has one input, so both are 1x1 projections of that one, each with weights of its own (the papers' cells begin with
such projections, too). States are counted from there: 0 is h_{i-1}, 1 is h_i, 2 to 6 are the sums in their order.
"""

from dataclasses import dataclass

import torch
from torch import nn

from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.layers.attention import squeeze_excitation
from dense_det.layers.conv import LayerOptions, conv_norm, conv_norm_act, init_conv, reduced
from dense_det.layers.norm import get_activation

Edge = tuple[str, int]


@dataclass(frozen=True)
class Cell:
    """The paper's figure.

    Attributes:
        sums: two (operation, state that it reads) each; they are states 2, 3, ...
        outputs: the states that are concatenated.
    """

    sums: tuple[tuple[Edge, Edge], ...]
    outputs: tuple[int, ...]


class NASCell(Block):
    """A cell at stride 1 (`normal`) or 2 (`reduction`), then a 1x1 with norm and activation to C_out.

    (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)). The papers' cells hand on the concatenation
    as it is; the 1x1 gives it the width that was asked for, and a pyramid features that are activated.

    Args:
        f: width of every state; C_out / number of concatenated states, rounded down, unless given.
        se_rate: rate of squeeze-and-excitation at the end (the paper's is 16); 0 is none.

    Raises:
        ValueError: a stride other than 1 and 2; a deformable convolution.
    """

    normal: Cell
    reduction: Cell

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
        super().__init__(in_channels, out_channels, stride)
        name = type(self).__name__
        options.refuse_deform(name)
        if stride not in (1, 2):
            raise ValueError(f"{name} has a normal cell of stride 1 and a reduction cell of stride 2, got {stride}")
        self.cell = self.normal if stride == 1 else self.reduction
        f = f or reduced(out_channels, len(self.cell.outputs))
        self.inputs = nn.ModuleList(conv_norm(in_channels, f, 1, options) for _ in range(2))
        self.edges = nn.ModuleList(
            # only the inputs have the size before the stride
            _operation(operation, f, stride if state < 2 else 1, options)
            for pair in self.cell.sums
            for operation, state in pair
        )
        self.projection = conv_norm_act(len(self.cell.outputs) * f, out_channels, 1, options)
        self.attention = squeeze_excitation(out_channels, se_rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = [project(x) for project in self.inputs]
        edges = iter(self.edges)
        for (_, left), (_, right) in self.cell.sums:
            states.append(next(edges)(states[left]) + next(edges)(states[right]))
        y = torch.cat([states[output] for output in self.cell.outputs], dim=1)
        return self.attention(self.projection(y))


def _operation(name: str, f: int, stride: int, options: LayerOptions) -> nn.Module:
    """(N, f, H, W) -> (N, f, ceil(H / stride), ceil(W / stride)); convolutions are activation, convolution, norm."""
    if name == "identity":
        return nn.Identity()
    if name == "avg3":
        return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    if name == "max3":
        return nn.MaxPool2d(3, stride, padding=1)
    # not in place: other edges read the same state
    activation = get_activation(options.activation, inplace=False)
    if name == "conv1x7_7x1":
        row = init_conv(nn.Conv2d(f, f, (1, 7), (1, stride), padding=(0, 3), bias=False))
        return nn.Sequential(activation, row, conv_norm(f, f, (7, 1), options, (stride, 1)))
    size = {"sep3": 3, "sep5": 5, "sep7": 7}[name]
    # every separable convolution is applied twice (NASNet, section 3)
    second = get_activation(options.activation)
    return nn.Sequential(activation, *_separable(f, size, stride, options), second, *_separable(f, size, 1, options))


def _separable(f: int, size: int, stride: int, options: LayerOptions) -> tuple[nn.Module, nn.Module]:
    depthwise = nn.Conv2d(f, f, size, stride, padding=size // 2, groups=f, bias=False)
    return init_conv(depthwise), conv_norm(f, f, 1, options)


@BLOCK_REGISTRY.register()
class NASNetACell(NASCell):
    """The cells of NASNet-A (arXiv 1707.07012, figure 4). See NASCell for arguments and the contract."""

    normal = Cell(
        sums=(
            (("sep5", 1), ("sep3", 0)),
            (("sep5", 0), ("sep3", 0)),
            (("avg3", 1), ("identity", 0)),
            (("avg3", 0), ("avg3", 0)),
            (("sep3", 1), ("identity", 1)),
        ),
        # h_{i-1} goes along: the paper's 6 @ 4032 has 4032 = 6 * 672 channels at the end
        outputs=(0, 2, 3, 4, 5, 6),
    )
    reduction = Cell(
        sums=(
            (("sep5", 1), ("sep7", 0)),
            (("max3", 1), ("sep7", 0)),
            (("avg3", 1), ("sep5", 0)),
            (("identity", 3), ("avg3", 2)),
            (("sep3", 2), ("max3", 1)),
        ),
        outputs=(3, 4, 5, 6),
    )


@BLOCK_REGISTRY.register()
class AmoebaNetACell(NASCell):
    """The cells of AmoebaNet-A (arXiv 1802.01548, its figure of the normal and the reduction cell).

    What no sum reads is concatenated. See NASCell for arguments and the contract.
    """

    normal = Cell(
        sums=(
            (("avg3", 0), ("max3", 1)),
            (("sep3", 0), ("sep5", 2)),
            (("sep3", 0), ("avg3", 3)),
            (("sep3", 1), ("identity", 1)),
            (("identity", 0), ("avg3", 1)),
        ),
        outputs=(4, 5, 6),
    )
    reduction = Cell(
        sums=(
            (("avg3", 0), ("sep3", 1)),
            (("max3", 0), ("sep7", 2)),
            (("sep7", 0), ("avg3", 1)),
            (("max3", 0), ("max3", 1)),
            (("conv1x7_7x1", 0), ("sep3", 5)),
        ),
        outputs=(3, 4, 6),
    )
