"""SNet: a ResNet-18 made light by design rules, the bottom-up of a slim RetinaNet."""

from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.separable import SeparableBlock
from dense_det.blocks.single import ConvBlock
from dense_det.layers.conv import LayerOptions


@dataclass(frozen=True)
class SNetSpec:
    """ResNet-18's eight basic blocks as depthwise-separable units without shortcuts; one dilated first 3x3 of stride 2.

    No table of the net was printed, only the cost of a detector's layers at 224 px: each row is a net of that cost.
    """

    widths: tuple[int, int, int, int]
    stem_channels: int = 24
    separable_stem: bool = False


VARIANTS = {
    "SNet-18": SNetSpec(widths=(48, 96, 192, 512)),
    "SNet-18-dw-stem": SNetSpec(widths=(48, 96, 192, 608), separable_stem=True),
}


def make_snet(
    spec: SNetSpec,
    in_channels: int = 3,
    *,
    stem_options: LayerOptions,
    stage_options: list[LayerOptions],
    out_features: tuple[str, ...],
    freeze_at: int = 0,
) -> StagedBackbone:
    """The network of a row; see StagedBackbone for inputs, outputs and freezing."""
    make_stem = SeparableBlock if spec.separable_stem else ConvBlock
    stem = make_stem(in_channels, spec.stem_channels, stride=2, dilation=2, options=stem_options)
    stages, width = [], stem.out_channels
    for out_channels, options in zip(spec.widths, stage_options, strict=True):
        first = SeparableBlock(width, out_channels, stride=2, options=options)
        stages.append([first, SeparableBlock(out_channels, out_channels, options=options)])
        width = out_channels
    return StagedBackbone(stem, stages, out_features, freeze_at)


@BACKBONE_REGISTRY.register()
def build_snet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """SNet from MODEL.BOTTOM_UP."""
    return make_snet(find_variant(cfg, VARIANTS), input_shape.channels, **bottom_up_arguments(cfg))
