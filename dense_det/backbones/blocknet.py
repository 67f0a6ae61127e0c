"""Block net: any registered block, in any depths and widths, behind any stem; and the known nets that are that."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.build import BLOCK_REGISTRY, build_block
from dense_det.blocks.inverted_residual import MobileNetV2Stem
from dense_det.blocks.stem import ConvStem, PeleeStem, ResNetStem
from dense_det.layers.conv import LayerOptions
from dense_det.suggest import unknown


def _conv_stem(in_channels: int, width: int, *, options: LayerOptions) -> ConvStem:
    return ConvStem(in_channels, (width, width, width), depthwise=False, options=options)


STEMS = {
    "ResNetStem": ResNetStem,
    "ConvStem": _conv_stem,
    "PeleeStem": PeleeStem,
    "MobileNetV2Stem": MobileNetV2Stem,
}


@dataclass(frozen=True)
class BlockNetSpec:
    """Stages of one kind of block.

    Attributes:
        block: a name in BLOCK_REGISTRY.
        widths: out_channels of every block, in stage2 to stage5; see `repeat`.
        arguments: the block's own, the same for all.
        stem: a key of STEMS.
    """

    block: str
    widths: tuple[tuple[int, ...], ...]
    arguments: Mapping = field(default_factory=dict)
    stem: str = "ResNetStem"
    stem_width: int = 64


def repeat(num_blocks: Sequence[int], widths: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """(2, 1), (64, 128) -> ((64, 64), (128,)): blocks of one width in each stage."""
    return tuple((width,) * num for num, width in zip(num_blocks, widths, strict=True))


RESNET = {"block": "ResidualBlock", "widths": repeat((2, 2, 2, 2), (64, 128, 256, 512))}
HALF = {"widths": repeat((2, 2, 2, 2), (32, 64, 128, 256)), "stem_width": 32}
ONE_RELU = {"arguments": {"inner_activation": False}}
MOBILENET = {"block": "InvertedResidualBlock", "arguments": {"r": 6}, "stem": "MobileNetV2Stem"}

VARIANTS = {
    "ResNet-18": BlockNetSpec(**RESNET),
    "ResNet-34": BlockNetSpec("ResidualBlock", repeat((3, 4, 6, 3), (64, 128, 256, 512))),
    # slimmed: half of the channels; one activation a block instead of two
    "ResNet-18-half": BlockNetSpec(**RESNET | HALF),
    "ResNet-18-1ReLU": BlockNetSpec(**RESNET | ONE_RELU),
    "ResNet-18-half-1ReLU": BlockNetSpec(**RESNET | HALF | ONE_RELU),
    "ResNet-34-half": BlockNetSpec("ResidualBlock", repeat((3, 4, 6, 3), (32, 64, 128, 256)), stem_width=32),
    # table 2 of arXiv 1801.04381 up to its 320 channels: the 1x1 to 1280 behind them is the classifier's, and a
    # pyramid's lateral 1x1 would follow it at once. Its activation is ReLU6: MODEL.BOTTOM_UP.ACTIVATION
    "MobileNetV2": BlockNetSpec(
        widths=((24,) * 2, (32,) * 3, (64,) * 4 + (96,) * 3, (160,) * 3 + (320,)), stem_width=16, **MOBILENET
    ),
    # width multiplier 0.5, rounded to multiples of 8
    "MobileNetV2-half": BlockNetSpec(
        widths=((16,) * 2, (16,) * 3, (32,) * 4 + (48,) * 3, (80,) * 3 + (160,)), stem_width=8, **MOBILENET
    ),
}


def make_blocknet(
    spec: BlockNetSpec,
    in_channels: int = 3,
    *,
    stem_options: LayerOptions,
    stage_options: list[LayerOptions],
    out_features: tuple[str, ...],
    freeze_at: int = 0,
) -> StagedBackbone:
    """The network of a row; see StagedBackbone for inputs, outputs and freezing.

    Raises:
        ValueError: a stem or block that is not known.
    """
    if spec.stem not in STEMS:
        raise ValueError(unknown("stem (BLOCKNET.STEM)", spec.stem, STEMS))
    stem = STEMS[spec.stem](in_channels, spec.stem_width, options=stem_options)
    stages, width, stride = [], stem.out_channels, 4 // stem.stride
    for widths, options in zip(spec.widths, stage_options, strict=True):
        blocks = []
        for out_channels in widths:
            blocks.append(
                build_block(spec.block, width, out_channels, stride=stride, options=options, **spec.arguments)
            )
            width, stride = out_channels, 1
        stages.append(blocks)
        stride = 2
    return StagedBackbone(stem, stages, out_features, freeze_at)


@BACKBONE_REGISTRY.register()
def build_blocknet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> StagedBackbone:
    """The net that MODEL.BOTTOM_UP.BLOCKNET describes; where its BLOCK is "", the row that VARIANT names."""
    net = cfg.MODEL.BOTTOM_UP.BLOCKNET
    if net.BLOCK == "":
        spec = find_variant(cfg, VARIANTS)
    else:
        arguments = own_arguments(net.BLOCK, net.OPTIONS)
        spec = BlockNetSpec(net.BLOCK, four_stages(net.NUM_BLOCKS, net.WIDTHS), arguments, net.STEM, net.STEM_WIDTH)
    return make_blocknet(spec, input_shape.channels, **bottom_up_arguments(cfg))


def four_stages(num_blocks: list[int], widths: list[int]) -> tuple[tuple[int, ...], ...]:
    """`repeat` of what a person wrote; ValueError unless both have four positive values."""
    for key, values in (("NUM_BLOCKS", num_blocks), ("WIDTHS", widths)):
        if len(values) != 4 or not all(isinstance(value, int) and value > 0 for value in values):
            raise ValueError(
                f"BLOCKNET.{key} has a whole number, 1 or more, for each of stage2 to stage5, got {values}"
            )
    return repeat(num_blocks, widths)


def own_arguments(block: str, options: list) -> dict:
    """[NAME, value, NAME, value, ...] as a dict of the own arguments of the block registered as `block`.

    Raises:
        ValueError: no such block or argument (the nearest names are suggested), words that do not pair up, an
            argument without a default left out, a value that is not of the default's kind (a whole number is a
            float, too), not a whole number of 1 or more where the default does not tell.
    """
    if block not in BLOCK_REGISTRY:
        raise ValueError(f"BLOCKNET.BLOCK: {unknown('block', block, [name for name, _ in BLOCK_REGISTRY])}")
    if len(options) % 2:
        raise ValueError(f"BLOCKNET.OPTIONS is NAME, value, NAME, value, ...; got {len(options)} words: {options}")
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(BLOCK_REGISTRY.get(block)).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in ("stride", "options")
    }
    arguments = dict(zip(options[::2], options[1::2], strict=True))
    for name, value in arguments.items():
        if name not in known:
            raise ValueError(f"BLOCKNET.OPTIONS: {unknown(f'argument of {block}', name, known)}")
        default = known[name]
        if type(default) is float and type(value) is int:
            arguments[name] = float(value)
        elif isinstance(default, (bool, int, float, str)) and type(value) is not type(default):
            raise ValueError(f"BLOCKNET.OPTIONS: {name} of {block} is like {default!r}, got {value!r}")
        elif default in (None, inspect.Parameter.empty) and not (type(value) is int and value >= 1):
            raise ValueError(f"BLOCKNET.OPTIONS: {name} of {block} is a whole number, 1 or more; got {value!r}")
    missing = [name for name, default in known.items() if default is inspect.Parameter.empty and name not in arguments]
    if missing:
        raise ValueError(f"BLOCKNET.OPTIONS: {block} has no default for {', '.join(missing)}: write NAME, value")
    return arguments
