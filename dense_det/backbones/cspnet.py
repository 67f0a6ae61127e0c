"""CSPResNet-50, CSPResNeXt-50, CSPDarknet-53 (CSPNet, arXiv 1911.11929), as timm has them and weights for them."""

from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from torch import nn

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.csp_residual import CrossStage, CSPDarknetStem, DarkResidual
from dense_det.blocks.residual import ResNeXtBlock
from dense_det.blocks.stem import ResNetStem
from dense_det.layers.conv import LayerOptions


@dataclass(frozen=True)
class CSPNetSpec:
    """A row; tuples of four are stage2 to stage5. The authors' activation is LeakyReLU: MODEL.BOTTOM_UP.ACTIVATION.

    Deviates from the authors' Darknet files as timm does: where they have two 1x1 convolutions side by side, one for
    each half, there is one whose output is split; and the first stage of CSPResNeXt is split in the middle, too.

    Attributes:
        expansion: channels that a stage splits, over its output.
        r: width of a half, over that inside its residual blocks.
        groups: of every 3x3 but the stem's.
        darknet: a stem of stride 2 instead of 4, so that stage2 is halved, too; residual blocks of two convolutions;
            the 3x3 of stride 2 widens, not the 1x1 after it, which has an activation.
    """

    out_channels: tuple[int, int, int, int]
    num_blocks: tuple[int, int, int, int] = (3, 3, 5, 2)
    expansion: int = 1
    r: int = 1
    groups: int = 1
    darknet: bool = False


VARIANTS = {
    "CSPResNet-50": CSPNetSpec(out_channels=(128, 256, 512, 1024), expansion=2, r=2),
    "CSPResNeXt-50": CSPNetSpec(out_channels=(256, 512, 1024, 2048), groups=32),
    "CSPDarknet-53": CSPNetSpec(out_channels=(128, 256, 512, 1024), num_blocks=(2, 8, 8, 4), darknet=True),
}


def make_cspnet(
    spec: CSPNetSpec,
    in_channels: int = 3,
    *,
    stem_options: LayerOptions,
    stage_options: list[LayerOptions],
    out_features: tuple[str, ...],
    freeze_at: int = 0,
) -> StagedBackbone:
    """The network of a row; see StagedBackbone for inputs, outputs and freezing."""
    if spec.darknet:
        stem = CSPDarknetStem(in_channels, options=stem_options)
    else:
        stem = ResNetStem(in_channels, 64, options=stem_options)
    stages, width = [], stem.out_channels
    for stage in range(4):
        stages.append([_make_stage(spec, stage, width, stage_options[stage])])
        width = spec.out_channels[stage]
    return StagedBackbone(stem, stages, out_features, freeze_at)


def _make_stage(spec: CSPNetSpec, stage: int, in_channels: int, options: LayerOptions) -> CrossStage:
    """stage2 (stage = 0) to stage5."""

    def make_block(channels: int) -> nn.Module:
        if spec.darknet:
            return DarkResidual(channels, spec.r, options)
        return ResNeXtBlock(channels, channels, r=spec.r, c=spec.groups, options=options)

    out_channels = spec.out_channels[stage]
    return CrossStage(
        in_channels,
        out_channels,
        num_blocks=spec.num_blocks[stage],
        make_block=make_block,
        expanded=out_channels * spec.expansion,
        down_channels=out_channels if spec.darknet else in_channels,
        groups=spec.groups,
        linear_expansion=not spec.darknet,
        stride=1 if stage == 0 and not spec.darknet else 2,
        options=options,
    )


@BACKBONE_REGISTRY.register()
def build_cspnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """CSPResNet-50, CSPResNeXt-50 or CSPDarknet-53 from MODEL.BOTTOM_UP."""
    return make_cspnet(find_variant(cfg, VARIANTS), input_shape.channels, **bottom_up_arguments(cfg))
