"""VoVNetV2 (CenterMask, arXiv 1911.06667, section 3.2 and table 1): OSA blocks with residual and eSE."""

from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.build import Block
from dense_det.blocks.osa import OSABlock
from dense_det.blocks.stem import ConvStem
from dense_det.layers.conv import LayerOptions


@dataclass(frozen=True)
class VoVNetSpec:
    """A row of the paper; tuples of four are stage2 to stage5.

    The number in a variant's name is its depth: 3 + sum(num_blocks) * (num_convs + 1).
    """

    num_blocks: tuple[int, int, int, int]
    num_convs: int
    stem_widths: tuple[int, int, int] = (64, 64, 128)
    mid_channels: tuple[int, int, int, int] = (128, 160, 192, 224)
    out_channels: tuple[int, int, int, int] = (256, 512, 768, 1024)
    depthwise: bool = False


SLIM = {"mid_channels": (64, 80, 96, 112), "out_channels": (112, 256, 384, 512)}
DEPTHWISE = {"stem_widths": (64, 64, 64), "depthwise": True}

VARIANTS = {
    "V-19-slim-dw-eSE": VoVNetSpec(num_blocks=(1, 1, 1, 1), num_convs=3, **SLIM, **DEPTHWISE),
    "V-19-dw-eSE": VoVNetSpec(num_blocks=(1, 1, 1, 1), num_convs=3, **DEPTHWISE),
    "V-19-slim-eSE": VoVNetSpec(num_blocks=(1, 1, 1, 1), num_convs=3, **SLIM),
    "V-19-eSE": VoVNetSpec(num_blocks=(1, 1, 1, 1), num_convs=3),
    "V-39-eSE": VoVNetSpec(num_blocks=(1, 1, 2, 2), num_convs=5),
    "V-57-eSE": VoVNetSpec(num_blocks=(1, 1, 4, 3), num_convs=5),
    "V-99-eSE": VoVNetSpec(num_blocks=(1, 3, 9, 3), num_convs=5),
}


def make_vovnet(
    spec: VoVNetSpec,
    in_channels: int = 3,
    *,
    stem_options: LayerOptions,
    stage_options: list[LayerOptions],
    out_features: tuple[str, ...],
    freeze_at: int = 0,
) -> StagedBackbone:
    """The network of a row; see StagedBackbone for inputs, outputs and freezing."""
    stem = ConvStem(in_channels, spec.stem_widths, depthwise=spec.depthwise, options=stem_options)
    stages, width = [], stem.out_channels
    for stage in range(4):
        stages.append(_make_stage(spec, stage, width, stage_options[stage]))
        width = spec.out_channels[stage]
    return StagedBackbone(stem, stages, out_features, freeze_at)


def _make_stage(spec: VoVNetSpec, stage: int, in_channels: int, options: LayerOptions) -> list[Block]:
    """The blocks of stage2 (stage = 0) to stage5: the first changes size and width, the others add their input."""
    out_channels = spec.out_channels[stage]
    shared = {
        "mid_channels": spec.mid_channels[stage],
        "num_convs": spec.num_convs,
        "depthwise": spec.depthwise,
        "options": options,
    }
    blocks = [OSABlock(in_channels, out_channels, stride=1 if stage == 0 else 2, **shared)]
    for _ in range(spec.num_blocks[stage] - 1):
        blocks.append(OSABlock(out_channels, out_channels, residual=True, **shared))
    return blocks


@BACKBONE_REGISTRY.register()
def build_vovnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """VoVNetV2 from MODEL.BOTTOM_UP."""
    return make_vovnet(find_variant(cfg, VARIANTS), input_shape.channels, **bottom_up_arguments(cfg))
