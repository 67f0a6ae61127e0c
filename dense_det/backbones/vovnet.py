"""VoVNet (arXiv 1904.09730) and VoVNetV2 (CenterMask, arXiv 1911.06667, table 1): OSA blocks, residual, eSE."""

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

    Attributes:
        ese: blocks of a stage that have it: "all" (VoVNetV2), "last" (timm's nets) or "none" (VoVNet V1).
    """

    num_blocks: tuple[int, int, int, int]
    num_convs: int
    stem_widths: tuple[int, int, int] = (64, 64, 128)
    mid_channels: tuple[int, int, int, int] = (128, 160, 192, 224)
    out_channels: tuple[int, int, int, int] = (256, 512, 768, 1024)
    depthwise: bool = False
    ese: str = "all"


V19 = {"num_blocks": (1, 1, 1, 1), "num_convs": 3}
V39 = {"num_blocks": (1, 1, 2, 2), "num_convs": 5}
V57 = {"num_blocks": (1, 1, 4, 3), "num_convs": 5}
V99 = {"num_blocks": (1, 3, 9, 3), "num_convs": 5}
SLIM_MID = (64, 80, 96, 112)
SLIM = {"mid_channels": SLIM_MID, "out_channels": (112, 256, 384, 512)}
DEPTHWISE = {"stem_widths": (64, 64, 64), "depthwise": True}

VARIANTS = {
    # VoVNetV2
    "V-19-slim-dw-eSE": VoVNetSpec(**V19, **SLIM, **DEPTHWISE),
    "V-19-dw-eSE": VoVNetSpec(**V19, **DEPTHWISE),
    "V-19-slim-eSE": VoVNetSpec(**V19, **SLIM),
    "V-19-eSE": VoVNetSpec(**V19),
    "V-39-eSE": VoVNetSpec(**V39),
    "V-57-eSE": VoVNetSpec(**V57),
    "V-99-eSE": VoVNetSpec(**V99),
    # timm's names and nets; its 19b are the rows above, where the only block of a stage is the last, too
    "ese_vovnet39b": VoVNetSpec(**V39, ese="last"),
    "ese_vovnet57b": VoVNetSpec(**V57, ese="last"),
    "ese_vovnet99b": VoVNetSpec(**V99, ese="last"),
    # VoVNet V1, with the residuals of its published code
    "V-27-slim": VoVNetSpec((1, 1, 1, 1), 5, mid_channels=SLIM_MID, out_channels=(128, 256, 384, 512), ese="none"),
    "V-39": VoVNetSpec(**V39, ese="none"),
    "V-57": VoVNetSpec(**V57, ese="none"),
    "V-99": VoVNetSpec(**V99, ese="none"),
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
    num_blocks, out_channels = spec.num_blocks[stage], spec.out_channels[stage]
    blocks = []
    for index in range(num_blocks):
        first, last = index == 0, index == num_blocks - 1
        block = OSABlock(
            in_channels if first else out_channels,
            out_channels,
            mid_channels=spec.mid_channels[stage],
            num_convs=spec.num_convs,
            stride=2 if first and stage > 0 else 1,
            residual=not first,
            attention=spec.ese == "all" or (spec.ese == "last" and last),
            depthwise=spec.depthwise,
            options=options,
        )
        blocks.append(block)
    return blocks


@BACKBONE_REGISTRY.register()
def build_vovnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """VoVNet or VoVNetV2 from MODEL.BOTTOM_UP."""
    return make_vovnet(find_variant(cfg, VARIANTS), input_shape.channels, **bottom_up_arguments(cfg))
