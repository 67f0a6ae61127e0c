"""VoVNet: the authors' files (vovnet-detectron2, centermask2; V1: stigma0617/VoVNet.pytorch) and timm's."""

import re
from collections.abc import Collection
from dataclasses import replace

from dense_det.weights.source import CAFFE_BGR, HALF_RGB, IMAGENET_RGB, Source

# what one layer consists of, there -> here; a depthwise-separable layer has its norm behind the pointwise part
AUTHORS_PARTS = {
    "conv": "",
    "norm": "norm.",
    "conv_offset": "offset.",
    "dw_conv3x3": "depthwise.",
    "pw_conv1x1": "pointwise.",
    "pw_norm": "pointwise.norm.",
}
AUTHORS_STEM = re.compile(r"stem\.stem_(\d)[/.](\w+)\.(\w+)")
AUTHORS_LAYER = re.compile(
    r"stage(\d)\.OSA\d_(\d+)\.(layers\.\d+|conv_reduction|concat)\.OSA\d_\d+_\w+[/.](\w+)\.(\w+)"
)
AUTHORS_GATE = re.compile(r"stage(\d)\.OSA\d_(\d+)\.ese\.(fc\.\w+)")

TIMM_PARTS = {"conv": "", "bn": "norm.", "conv_dw": "depthwise.", "conv_pw": "pointwise."}
TIMM_STEM = re.compile(r"stem\.(\d)\.(\w+)\.(\w+)")
TIMM_LAYER = re.compile(r"stages\.(\d)\.blocks\.(\d+)\.(conv_mid\.\d+|conv_reduction|conv_concat)\.(\w+)\.(\w+)")
TIMM_GATE = re.compile(r"stages\.(\d)\.blocks\.(\d+)\.attn\.(fc\.\w+)")

LAYERS = {
    "layers": "convs",
    "conv_mid": "convs",
    "concat": "aggregation",
    "conv_concat": "aggregation",
    "conv_reduction": "reduction",
}


def rename_authors(name: str) -> str | None:
    """stage3.OSA3_2.concat.OSA3_2_concat/norm.bias -> stage3.1.aggregation.norm.bias"""
    if match := AUTHORS_STEM.fullmatch(name):
        number, part, tensor = match.groups()
        return f"stem.conv{number}.{AUTHORS_PARTS[part]}{tensor}" if part in AUTHORS_PARTS else None
    if match := AUTHORS_LAYER.fullmatch(name):
        stage, block, layer, part, tensor = match.groups()
        if part not in AUTHORS_PARTS:
            return None
        return f"stage{stage}.{int(block) - 1}.{_layer(layer)}.{AUTHORS_PARTS[part]}{tensor}"
    if match := AUTHORS_GATE.fullmatch(name):
        stage, block, tensor = match.groups()
        return f"stage{stage}.{int(block) - 1}.attention.{tensor}"
    return None


def make_rename_timm(depthwise: bool):
    """stages.1.blocks.0.conv_concat.bn.bias -> stage3.0.aggregation.norm.bias"""
    # a separable layer has one norm, behind the pointwise part, but timm's name of it does not say so
    parts = {**TIMM_PARTS, "bn": "pointwise.norm."} if depthwise else TIMM_PARTS

    def rename(name: str) -> str | None:
        if match := TIMM_STEM.fullmatch(name):
            number, part, tensor = match.groups()
            table = TIMM_PARTS if number == "0" else parts  # the first convolution is a full one
            return f"stem.conv{int(number) + 1}.{table[part]}{tensor}" if part in table else None
        if match := TIMM_LAYER.fullmatch(name):
            stage, block, layer, part, tensor = match.groups()
            table = parts if layer.startswith("conv_mid") else TIMM_PARTS
            if part not in table:
                return None
            return f"stage{int(stage) + 2}.{block}.{_layer(layer)}.{table[part]}{tensor}"
        if match := TIMM_GATE.fullmatch(name):
            stage, block, tensor = match.groups()
            return f"stage{int(stage) + 2}.{block}.attention.{tensor}"
        return None

    return rename


def _layer(name: str) -> str:
    kind, _, number = name.partition(".")
    return LAYERS[kind] + (f".{number}" if number else "")


def _has(part: str, names: Collection[str]) -> bool:
    return any(part in name for name in names)


def _is_timm_57b(names: Collection[str]) -> bool:
    """Four blocks in stage4 (39b has two, 99b nine)."""
    return _has("stages.2.blocks.3.conv_mid", names) and not _has("stages.2.blocks.4.", names)


# timm's vovnet39a and vovnet57a have no gate at all, and no residuals: no row of ours is that network
_TIMM = Source(
    "timm ese_vovnet*",
    make_rename_timm(depthwise=False),
    IMAGENET_RGB,
    mark=lambda names: _has(".attn.fc.", names) and not _has(".conv_dw.", names),
    lacks_gates=True,
)
SOURCES = (
    Source(
        "vovnet-detectron2 or centermask2 (VoVNetV2)",
        rename_authors,
        CAFFE_BGR,
        mark=lambda names: _has(".ese.fc.", names),
    ),
    Source("stigma0617/VoVNet.pytorch (VoVNet V1)", rename_authors, IMAGENET_RGB, lacks_gates=True),
    replace(_TIMM, name="timm ese_vovnet57b (ra4)", pixels=HALF_RGB, mark=_is_timm_57b),
    _TIMM,
    replace(
        _TIMM,
        name="timm ese_vovnet*_dw",
        rename=make_rename_timm(depthwise=True),
        mark=lambda names: _has(".attn.fc.", names) and _has(".conv_dw.", names),
    ),
)
