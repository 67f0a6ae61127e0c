"""ThunderNet's SNet (arXiv 1903.11752, section 3.1 and table 1): ShuffleNetV2 with 5x5 depthwise convolutions."""

from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.build import Block
from dense_det.blocks.shuffle import ShuffleBlock
from dense_det.blocks.single import ConvBlock, MaxPoolBlock
from dense_det.layers.conv import LayerOptions


@dataclass(frozen=True)
class ThunderNetSpec:
    """A row of the paper; tuples of three are stage3 to stage5. stage2 is the pooled stem.

    The number in a variant's name is the paper's count of MFLOPs (multiply-adds) at 224 px.
    """

    widths: tuple[int, int, int]
    num_blocks: tuple[int, int, int] = (4, 8, 4)
    stem_channels: int = 24
    # a 1x1 at the end of stage5, the paper's conv5
    last_channels: int | None = None
    kernel_size: int = 5


VARIANTS = {
    "SNet49": ThunderNetSpec(widths=(60, 120, 240), last_channels=512),
    "SNet146": ThunderNetSpec(widths=(132, 264, 528)),
    "SNet535": ThunderNetSpec(widths=(248, 496, 992), stem_channels=48),
}


def make_thundernet(
    spec: ThunderNetSpec,
    in_channels: int = 3,
    *,
    stem_options: LayerOptions,
    stage_options: list[LayerOptions],
    out_features: tuple[str, ...],
    freeze_at: int = 0,
) -> StagedBackbone:
    """The network of a row; see StagedBackbone for inputs, outputs and freezing.

    Raises:
        ValueError: a deformable stage.
    """
    stage_options[0].refuse_deform("ThunderNet's stage2, the pooled stem,")
    stem = ConvBlock(in_channels, spec.stem_channels, stride=2, options=stem_options)
    stages: list[list[Block]] = [[MaxPoolBlock(spec.stem_channels)]]
    for out_channels, num_blocks, options in zip(spec.widths, spec.num_blocks, stage_options[1:], strict=True):
        shared = {"kernel_size": spec.kernel_size, "options": options}
        blocks = [ShuffleBlock(stages[-1][-1].out_channels, out_channels, stride=2, **shared)]
        blocks += [ShuffleBlock(out_channels, out_channels, **shared) for _ in range(num_blocks - 1)]
        stages.append(blocks)
    if spec.last_channels is not None:
        stages[-1].append(ConvBlock(spec.widths[-1], spec.last_channels, kernel_size=1, options=stage_options[-1]))
    return StagedBackbone(stem, stages, out_features, freeze_at)


@BACKBONE_REGISTRY.register()
def build_thundernet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """ThunderNet's SNet from MODEL.BOTTOM_UP."""
    return make_thundernet(find_variant(cfg, VARIANTS), input_shape.channels, **bottom_up_arguments(cfg))
