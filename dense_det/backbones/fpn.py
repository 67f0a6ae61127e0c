"""One pyramid builder for every bottom-up."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool, LastLevelP6P7
from fvcore.nn.weight_init import c2_xavier_fill
from torch import nn

from dense_det.layers.conv import LayerOptions, depthwise_separable
from dense_det.layers.norm import norm_factory
from dense_det.suggest import unknown

TOP_BLOCKS = ("LastLevelP6P7", "LastLevelMaxPool", "")
FUSE_TYPES = ("sum", "avg")
# in the names of their builders
PYRAMIDS = ("fpn", "efm")


@BACKBONE_REGISTRY.register()
def build_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Detectron2's FPN (arXiv 1612.03144) over MODEL.BOTTOM_UP: see build_pyramid."""
    return build_pyramid(FPN, cfg, input_shape)


def build_pyramid(kind: type[FPN], cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """A pyramid over MODEL.BOTTOM_UP, with MODEL.FPN's widths, norm, kind of convolutions and top block.

    The stage of stride 2^k becomes "pk"; the top block goes on counting from the last.

    Raises:
        ValueError: a name that is not known; IN_FEATURES that are not neighbouring outputs of the bottom-up.
    """
    fpn = cfg.MODEL.FPN
    if fpn.FUSE_TYPE not in FUSE_TYPES:
        raise ValueError(f"MODEL.FPN.FUSE_TYPE: {unknown('fuse type', fpn.FUSE_TYPE, FUSE_TYPES)}")
    bottom_up = build_bottom_up(cfg, input_shape)
    in_features = _check_in_features(fpn.IN_FEATURES, bottom_up.output_shape())
    last_stage = bottom_up.output_shape()[in_features[-1]]
    # what the top block may read, and how wide it is: Detectron2's FPN takes the stride of the last level for granted
    channels = {f"p{last_stage.stride.bit_length() - 1}": fpn.OUT_CHANNELS, in_features[-1]: last_stage.channels}
    pyramid = kind(
        bottom_up=bottom_up,
        in_features=in_features,
        out_channels=fpn.OUT_CHANNELS,
        norm=norm_factory(fpn.NORM),
        top_block=_make_top_block(fpn.TOP_BLOCK, fpn.TOP_BLOCK_IN, channels, fpn.OUT_CHANNELS, fpn.DEPTHWISE),
        fuse_type=fpn.FUSE_TYPE,
    )
    if fpn.DEPTHWISE:
        _make_outputs_separable(pyramid, fpn.OUT_CHANNELS, fpn.NORM)
    return pyramid


def build_bottom_up(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """MODEL.BOTTOM_UP.NAME of BACKBONE_REGISTRY, unless that is a pyramid itself; ValueError if there is none."""
    name = cfg.MODEL.BOTTOM_UP.NAME
    known = [builder for builder, _ in BACKBONE_REGISTRY if not any(word in builder for word in PYRAMIDS)]
    if name not in known:
        raise ValueError(f"MODEL.BOTTOM_UP.NAME: {unknown('bottom-up', name, known)}")
    return BACKBONE_REGISTRY.get(name)(cfg, input_shape)


def _check_in_features(in_features: list[str], shapes: dict[str, ShapeSpec]) -> list[str]:
    for feature in in_features:
        if feature not in shapes:
            raise ValueError(f"MODEL.FPN.IN_FEATURES: {unknown('output of the bottom-up', feature, shapes)}")
    strides = [shapes[feature].stride for feature in in_features]
    if not strides or strides != [strides[0] * 2**k for k in range(len(strides))]:
        raise ValueError(
            f"MODEL.FPN.IN_FEATURES must be neighbouring outputs of the bottom-up, finest first; got {in_features} "
            f"of strides {strides}, there are {list(shapes)}"
        )
    return in_features


def _make_top_block(
    name: str, in_feature: str, channels: dict[str, int], out_channels: int, depthwise: bool
) -> nn.Module | None:
    """The levels above the last one: they read that level or the stage that it was made of, the keys of `channels`."""
    if name not in TOP_BLOCKS:
        raise ValueError(f"MODEL.FPN.TOP_BLOCK: {unknown('top block', name, TOP_BLOCKS)}")
    if name == "":
        return None
    if in_feature not in channels:
        raise ValueError(f"MODEL.FPN.TOP_BLOCK_IN: {unknown('input of the top block', in_feature, channels)}")
    if name == "LastLevelP6P7":
        top_block = LastLevelP6P7(channels[in_feature], out_channels, in_feature)
        if depthwise:
            top_block.p6 = _separable_conv(channels[in_feature], out_channels, norm="", stride=2)
            top_block.p7 = _separable_conv(out_channels, out_channels, norm="", stride=2)
        return top_block
    last_level = next(iter(channels))
    if in_feature != last_level:
        raise ValueError(f"MODEL.FPN.TOP_BLOCK_IN: LastLevelMaxPool pools {last_level!r}, got {in_feature!r}")
    top_block = LastLevelMaxPool()
    top_block.in_feature = last_level
    return top_block


def _make_outputs_separable(pyramid: FPN, channels: int, norm: str) -> None:
    """Put depthwise-separable convolutions in the place of the 3x3 that make the levels."""
    names = [name for name, _ in pyramid.named_children() if name.startswith("fpn_output")]
    for name in names:
        setattr(pyramid, name, _separable_conv(channels, channels, norm))
    # Detectron2 keeps a second list of them, coarsest first
    pyramid.output_convs = [getattr(pyramid, name) for name in reversed(names)]


def _separable_conv(in_channels: int, out_channels: int, norm: str, stride: int = 1) -> nn.Module:
    conv = depthwise_separable(in_channels, out_channels, LayerOptions(norm=norm), stride)
    # linear, and so initialised as Detectron2's
    conv.pointwise.activation = None
    c2_xavier_fill(conv.depthwise)
    c2_xavier_fill(conv.pointwise)
    return conv
