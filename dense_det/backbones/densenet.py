"""DenseNet and DenseNet-BC (arXiv 1608.06993): four stages for ImageNet (table 1), three for CIFAR (table 2)."""

from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.build import Block
from dense_det.blocks.dense import CifarStem, DenseBlock, DenseTransition, NormAct
from dense_det.blocks.stem import ResNetStem
from dense_det.layers.conv import LayerOptions


@dataclass(frozen=True)
class DenseNetSpec:
    """A row of the paper; a stage is a dense block, tapped where the transition has normed and activated it.

    Raw concatenations differ much in scale from channel to channel; the transition's norm is there already.

    Attributes:
        num_layers: of stage2, stage3, ...: three or four stages.
        growth: channels that a layer adds, the paper's k.
        bottleneck: width of a layer's 1x1 over growth (the B of BC); 0 for none.
        compression: width behind a transition over the width before it, the paper's theta (the C of BC).
        cifar: the stem is a 3x3 without norm. The paper's has stride 1, for 32 x 32 pixels; here the network sees at
            128 x 128 what the paper's sees at 32 x 32, and its stages have strides 4, 8 and 16.
    """

    num_layers: tuple[int, ...]
    growth: int = 32
    stem_channels: int = 64
    bottleneck: int = 4
    compression: float = 0.5
    cifar: bool = False


PLAIN = {"stem_channels": 16, "bottleneck": 0, "compression": 1.0, "cifar": True}

VARIANTS = {
    "DenseNet-121": DenseNetSpec((6, 12, 24, 16)),
    "DenseNet-169": DenseNetSpec((6, 12, 32, 32)),
    "DenseNet-201": DenseNetSpec((6, 12, 48, 32)),
    "DenseNet-161": DenseNetSpec((6, 12, 36, 24), growth=48, stem_channels=96),
    # depth and growth; L = 40 layers with k = 12 in the BC form stand in no table of the paper
    "DenseNet-40-12": DenseNetSpec((12, 12, 12), growth=12, **PLAIN),
    "DenseNet-100-12": DenseNetSpec((32, 32, 32), growth=12, **PLAIN),
    "DenseNet-100-24": DenseNetSpec((32, 32, 32), growth=24, **PLAIN),
    "DenseNet-BC-40-12": DenseNetSpec((6, 6, 6), growth=12, stem_channels=24, cifar=True),
    "DenseNet-BC-100-12": DenseNetSpec((16, 16, 16), growth=12, stem_channels=24, cifar=True),
    "DenseNet-BC-250-24": DenseNetSpec((41, 41, 41), growth=24, stem_channels=48, cifar=True),
    "DenseNet-BC-190-40": DenseNetSpec((31, 31, 31), growth=40, stem_channels=80, cifar=True),
}


def make_densenet(
    spec: DenseNetSpec,
    in_channels: int = 3,
    *,
    memory_efficient: bool = False,
    stem_options: LayerOptions,
    stage_options: list[LayerOptions],
    out_features: tuple[str, ...],
    freeze_at: int = 0,
) -> StagedBackbone:
    """The network of a row; see StagedBackbone for inputs, outputs and freezing.

    Args:
        memory_efficient: see DenseBlock; the same gradients, in less memory and more time.

    Raises:
        ValueError: a deformable stage5 of a network that ends at stage4.
    """
    for options in stage_options[len(spec.num_layers) :]:
        options.refuse_deform("stage5, which a DenseNet of three stages lacks,")
    make_stem = CifarStem if spec.cifar else ResNetStem
    stem = make_stem(in_channels, spec.stem_channels, options=stem_options)
    stages: list[list[Block]] = []
    for num_layers, options in zip(spec.num_layers, stage_options, strict=False):
        blocks: list[Block] = []
        width = stem.out_channels
        if stages:
            width = stages[-1][-1].out_channels
            blocks.append(DenseTransition(width, int(width * spec.compression), options=options))
            width = blocks[-1].out_channels
        block = DenseBlock(
            width,
            num_layers=num_layers,
            growth=spec.growth,
            bottleneck=spec.bottleneck,
            memory_efficient=memory_efficient,
            options=options,
        )
        stages.append([*blocks, block, NormAct(block.out_channels, options=options)])
    return StagedBackbone(stem, stages, out_features, freeze_at)


@BACKBONE_REGISTRY.register()
def build_densenet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """DenseNet from MODEL.BOTTOM_UP."""
    return make_densenet(
        find_variant(cfg, VARIANTS),
        input_shape.channels,
        memory_efficient=cfg.MODEL.BOTTOM_UP.MEMORY_EFFICIENT,
        **bottom_up_arguments(cfg),
    )
