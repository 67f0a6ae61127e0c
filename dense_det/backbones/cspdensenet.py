"""CSPDenseNet (CSPNet, arXiv 1911.11929, figure 3): DenseNet-BC whose stages work on a part of the channels."""

from dataclasses import dataclass

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from torch import nn

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.build import Block
from dense_det.blocks.csp import PartialDenseBlock
from dense_det.blocks.dense import AvgPoolBlock, DenseTransition, NormAct
from dense_det.blocks.stem import ResNetStem
from dense_det.layers.conv import LayerOptions
from dense_det.suggest import unknown

FUSIONS = ("standard", "fusion-first", "fusion-last")
BOOKKEEPINGS = ("paper", "article")


@dataclass(frozen=True)
class CSPDenseNetSpec:
    """A net of DenseNet-BC's table 1 with partial stages; tuples are stage2 to stage5.

    Attributes:
        fusion: where 1x1 convolutions halve channels: in the dense way before the two ways are joined, and in both
            after it ("standard", figure 3b); only after it ("fusion-first", 3c); only before it ("fusion-last", 3d).
        gamma: share of a stage's channels that goes around the layers.
        bookkeeping: what leaves the dense way: "paper" (equation 2: the channels that came in, too) or "article"
            (only those that the layers add, as in a published re-implementation).
    """

    num_layers: tuple[int, int, int, int]
    growth: int = 32
    stem_channels: int = 64
    fusion: str = "standard"
    gamma: float = 0.5
    bookkeeping: str = "paper"

    def __post_init__(self):
        if self.fusion not in FUSIONS:
            raise ValueError(unknown("fusion", self.fusion, FUSIONS))
        if self.bookkeeping not in BOOKKEEPINGS:
            raise ValueError(unknown("bookkeeping", self.bookkeeping, BOOKKEEPINGS))


NETS = {
    "121": {"num_layers": (6, 12, 24, 16)},
    "169": {"num_layers": (6, 12, 32, 32)},
    "201": {"num_layers": (6, 12, 48, 32)},
    "161": {"num_layers": (6, 12, 36, 24), "growth": 48, "stem_channels": 96},
}
FORMS = {"": {}, "-gamma-0.25": {"gamma": 0.25}, "-article": {"bookkeeping": "article"}}

# CSPDenseNet-121-standard, ..., CSPDenseNet-161-fusion-last-article
VARIANTS = {
    f"CSPDenseNet-{net}-{fusion}{form}": CSPDenseNetSpec(fusion=fusion, **NETS[net], **FORMS[form])
    for form in FORMS
    for fusion in FUSIONS
    for net in NETS
}


class FusionLastBackbone(StagedBackbone):
    """A StagedBackbone whose stages hand raw concatenations on to each other; its outputs are normed and activated.

    No 1x1 follows a stage, so no norm of the paper's does: the outputs' norms have no weights, but stage5's has.
    """

    def __init__(
        self,
        stem: Block,
        stages: list[list[Block]],
        stage_options: list[LayerOptions],
        out_features: tuple[str, ...],
        freeze_at: int = 0,
    ):
        super().__init__(stem, stages, out_features, freeze_at)
        self.taps = nn.ModuleDict()
        for name, shape in self.output_shape().items():
            stage = int(name.removeprefix("stage"))
            tap = NormAct(shape.channels, affine=stage == 5, options=stage_options[stage - 2])
            self.taps[name] = tap.freeze() if stage <= freeze_at else tap

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: self.taps[name](raw) for name, raw in super().forward(x).items()}


def make_cspdensenet(
    spec: CSPDenseNetSpec,
    in_channels: int = 3,
    *,
    memory_efficient: bool = False,
    stem_options: LayerOptions,
    stage_options: list[LayerOptions],
    out_features: tuple[str, ...],
    freeze_at: int = 0,
) -> StagedBackbone:
    """The network of a row; see StagedBackbone for inputs, outputs and freezing.

    Stages are tapped before the size is halved, behind the norm and activation of the transition, as in DenseNet.

    Args:
        memory_efficient: see DenseBlock; the same gradients, in less memory and more time.
    """
    stem = ResNetStem(in_channels, spec.stem_channels, options=stem_options)
    fusion_last = spec.fusion == "fusion-last"
    stages: list[list[Block]] = []
    for num_layers, options in zip(spec.num_layers, stage_options, strict=True):
        blocks: list[Block] = []
        width = stem.out_channels
        if stages:
            width = stages[-1][-1].out_channels
            half = AvgPoolBlock(width) if fusion_last else DenseTransition(width, width // 2, options=options)
            blocks.append(half)
            width = half.out_channels
        block = PartialDenseBlock(
            width,
            gamma=spec.gamma,
            transition=spec.fusion != "fusion-first",
            drop_input=spec.bookkeeping == "article",
            num_layers=num_layers,
            growth=spec.growth,
            bottleneck=4,
            memory_efficient=memory_efficient,
            options=options,
        )
        blocks.append(block)
        if not fusion_last:
            blocks.append(NormAct(block.out_channels, options=options))
        stages.append(blocks)
    if fusion_last:
        return FusionLastBackbone(stem, stages, stage_options, out_features, freeze_at)
    return StagedBackbone(stem, stages, out_features, freeze_at)


@BACKBONE_REGISTRY.register()
def build_cspdensenet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """CSPDenseNet from MODEL.BOTTOM_UP."""
    return make_cspdensenet(
        find_variant(cfg, VARIANTS),
        input_shape.channels,
        memory_efficient=cfg.MODEL.BOTTOM_UP.MEMORY_EFFICIENT,
        **bottom_up_arguments(cfg),
    )
