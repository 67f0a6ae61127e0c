"""The authors' PeleeNet (Robert-JunWang/PeleeNet, a .pth.tar that is a torch file)."""

import re

from dense_det.weights.source import IMAGENET_RGB, Source

PARTS = {"conv": "", "norm": "norm."}
STEM = re.compile(r"stemblock\.(stem\d[ab]?)\.(conv|norm)\.(\w+)")
LAYER = re.compile(r"denseblock(\d)\.denselayer(\d+)\.(branch\d[abc])\.(conv|norm)\.(\w+)")
TRANSITION = re.compile(r"transition(\d)\.(conv|norm)\.(\w+)")


def rename(name: str) -> str | None:
    """denseblock1.denselayer2.branch1a.conv.weight -> stage2.0.layers.1.branch1a.weight"""
    if match := STEM.fullmatch(name):
        layer, part, tensor = match.groups()
        return f"stem.{layer}.{PARTS[part]}{tensor}"
    if match := LAYER.fullmatch(name):
        block, layer, branch, part, tensor = match.groups()
        return f"stage{int(block) + 1}.0.layers.{int(layer) - 1}.{branch}.{PARTS[part]}{tensor}"
    if match := TRANSITION.fullmatch(name):
        block, part, tensor = match.groups()
        return f"stage{int(block) + 1}.0.transition.{PARTS[part]}{tensor}"
    return None


SOURCES = (Source("Robert-JunWang/PeleeNet", rename, IMAGENET_RGB),)
