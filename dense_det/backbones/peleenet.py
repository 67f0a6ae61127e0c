"""PeleeNet (arXiv 1804.06882, table 1) and CSPPeleeNet (CSPNet, arXiv 1911.11929, section 3.1)."""

from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.build import Block
from dense_det.blocks.stem import PeleeStem
from dense_det.blocks.two_way_dense import Transition, TwoWayDenseBlock
from dense_det.layers.conv import LayerOptions


@dataclass(frozen=True)
class PeleeNetSpec:
    """A row of the papers; tuples of four are stage2 to stage5. `bypass` is CSPNet's gamma.

    A stage ends with its transition, before the pool: the outputs are those 1x1 convolutions, at strides 4 to 32.

    CSPPeleeNet is published as the paper's drawing of a partial dense stage and as two numbers, 2.83M weights (norms
    not counted) and 0.888 BFLOPs with a classifier of 1000; PeleeNet has 2.79M and 1.017. There is no code. It is
    read so: half of a stage's input skips the two-way dense layers; the partial transition keeps the width of the
    other half with its layers, so that a stage is as wide as PeleeNet's; the transition of the whole stage, a 1x1
    that keeps the width, too, comes after the pool: before it, on four times the pixels, the network would
    cost more than PeleeNet. That makes 2.84M weights and 0.876 BFLOPs, 0.4 % more and 1.3 % less than published;
    gamma 0.25 saves 1 % of PeleeNet's compute, where the paper says 3 %. A stage is tapped before the pool, where the
    two parts are joined; stage5, which has no pool, after its last transition.
    """

    bypass: float = 0.0
    stem_width: int = 32
    num_layers: tuple[int, int, int, int] = (3, 4, 8, 6)
    growth: int = 16
    multipliers: tuple[int, int, int, int] = (1, 2, 4, 4)
    out_channels: tuple[int, int, int, int] = (128, 256, 512, 704)


VARIANTS = {
    "PeleeNet": PeleeNetSpec(),
    "CSPPeleeNet": PeleeNetSpec(bypass=0.5),
    "CSPPeleeNet-gamma-0.25": PeleeNetSpec(bypass=0.25),
}


def make_peleenet(
    spec: PeleeNetSpec,
    in_channels: int = 3,
    *,
    ceil_mode: bool = False,
    stem_options: LayerOptions,
    stage_options: list[LayerOptions],
    out_features: tuple[str, ...],
    freeze_at: int = 0,
) -> StagedBackbone:
    """The network of a row; see StagedBackbone for inputs, outputs and freezing.

    Args:
        ceil_mode: pools between stages round sizes up, as the authors' Caffe does, not down, as their PyTorch does;
            a matter of images that are not padded to multiples of 32.
    """
    stem = PeleeStem(in_channels, spec.stem_width, options=stem_options)
    make_stage = _make_partial_stage if spec.bypass else _make_stage
    stages, width = [], stem.out_channels
    for stage in range(4):
        stages.append(make_stage(spec, stage, width, ceil_mode, stage_options[stage]))
        width = spec.out_channels[stage]
    return StagedBackbone(stem, stages, out_features, freeze_at)


def _make_stage(
    spec: PeleeNetSpec, stage: int, in_channels: int, ceil_mode: bool, options: LayerOptions
) -> list[Block]:
    """The block of stage2 (stage = 0) to stage5: pool, layers, transition."""
    return [_make_block(spec, stage, in_channels, options, stride=1 if stage == 0 else 2, ceil_mode=ceil_mode)]


def _make_partial_stage(
    spec: PeleeNetSpec, stage: int, in_channels: int, ceil_mode: bool, options: LayerOptions
) -> list[Block]:
    """The blocks of stage2 (stage = 0) to stage5: pool and transition of the one before, partial block."""
    blocks = [_make_block(spec, stage, in_channels, options)]
    if stage > 0:
        blocks.insert(0, Transition(in_channels, in_channels, stride=2, ceil_mode=ceil_mode, options=options))
    if stage == 3:
        blocks.append(Transition(spec.out_channels[3], spec.out_channels[3], options=options))
    return blocks


def _make_block(spec: PeleeNetSpec, stage: int, in_channels: int, options: LayerOptions, **pool) -> TwoWayDenseBlock:
    return TwoWayDenseBlock(
        in_channels,
        spec.out_channels[stage],
        num_layers=spec.num_layers[stage],
        growth=spec.growth,
        multiplier=spec.multipliers[stage],
        bypass=spec.bypass,
        options=options,
        **pool,
    )


@BACKBONE_REGISTRY.register()
def build_peleenet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """PeleeNet or CSPPeleeNet from MODEL.BOTTOM_UP."""
    return make_peleenet(
        find_variant(cfg, VARIANTS),
        input_shape.channels,
        ceil_mode=cfg.MODEL.PELEENET.CEIL_MODE,
        **bottom_up_arguments(cfg),
    )
