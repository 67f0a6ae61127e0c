"""torchvision's ResNets: 18 and 34 for our block net, and 50 to 152 for Detectron2's."""

import re

from dense_det.weights.source import IMAGENET_RGB, Source

PARTS = {"conv": "", "bn": "norm.", "downsample.0": "", "downsample.1": "norm."}
STEM = re.compile(r"(conv|bn)1\.(\w+)")
LAYER = re.compile(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|(downsample\.[01]))\.(\w+)")


def make_rename(stage_name: str):
    """layer1.0.downsample.1.bias -> stage2.0.shortcut.norm.bias, where `stage_name` is "stage"."""

    def rename(name: str) -> str | None:
        if match := STEM.fullmatch(name):
            part, tensor = match.groups()
            return f"stem.conv1.{PARTS[part]}{tensor}"
        if match := LAYER.fullmatch(name):
            layer, block, part, number, shortcut, tensor = match.groups()
            where = f"{stage_name}{int(layer) + 1}.{block}"
            return f"{where}.{'shortcut' if shortcut else f'conv{number}'}.{PARTS[shortcut or part]}{tensor}"
        return None

    return rename


SOURCES = (
    Source("torchvision ResNet-18 or -34", make_rename("stage"), IMAGENET_RGB),
    Source("torchvision ResNet, for Detectron2's", make_rename("res"), IMAGENET_RGB),
)
