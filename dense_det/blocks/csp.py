"""The cross-stage partial dense block (CSPNet, arXiv 1911.11929, figure 2b)."""

import torch

from dense_det.blocks.build import Block
from dense_det.blocks.dense import DenseBlock, NormActConv
from dense_det.layers.conv import LayerOptions


class PartialDenseBlock(Block):
    """Dense layers on a part of the channels, the rest around them; concatenated: raw, before norm and activation.

    (N, C_in, H, W) -> (N, bypass + C_dense, H, W), where bypass = floor(gamma * C_in) and C_dense counts the dense
    layers' channels, with their input unless that is dropped; with a transition half of these, rounded down.

    Args:
        gamma: share of the channels that go around the layers, the paper's partial ratio.
        transition: a 1x1 halves what comes out of the layers, before it is joined with the rest.
        drop_input: only what the layers add is handed on, not what they got.
        num_layers, growth, bottleneck, memory_efficient: see DenseBlock.

    Raises:
        ValueError: a gamma that leaves no channel on one of the two ways.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        gamma: float,
        transition: bool,
        drop_input: bool = False,
        num_layers: int,
        growth: int,
        bottleneck: int,
        memory_efficient: bool = False,
        options: LayerOptions,
    ):
        bypass = int(in_channels * gamma)
        if not 0 < bypass < in_channels:
            raise ValueError(f"gamma splits {in_channels} channels in two, got {gamma}: {bypass} on one side")
        dense = DenseBlock(
            in_channels - bypass,
            num_layers=num_layers,
            growth=growth,
            bottleneck=bottleneck,
            memory_efficient=memory_efficient,
            options=options,
        )
        width = num_layers * growth if drop_input else dense.out_channels
        super().__init__(in_channels, bypass + (width // 2 if transition else width), 1)
        self.bypass = bypass
        self.drop_input = drop_input
        self.dense = dense
        self.transition = None
        if transition:
            self.transition = NormActConv(width, width // 2, 1, recompute=memory_efficient, options=options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.dense.features(x[:, self.bypass :])
        if self.drop_input:
            features = features[1:]
        if self.transition is not None:
            features = [self.transition(*features)]
        return torch.cat([x[:, : self.bypass], *features], dim=1)
