"""torchvision's DenseNets, in the names of its hosted files ("norm.1") and of its code ("norm1"), and timm's."""

import re

from dense_det.weights.source import IMAGENET_RGB, Source

STEM = re.compile(r"(conv|norm)0\.(\w+)")
LAYER = re.compile(r"denseblock(\d)\.denselayer(\d+)\.(conv|norm)\.?([12])\.(\w+)")
TRANSITION = re.compile(r"transition(\d)\.(conv|norm)\.(\w+)")
LAST_NORM = re.compile(r"norm5\.(\w+)")
HALVES = {"1": "first", "2": "second"}


def rename(name: str) -> str | None:
    """denseblock2.denselayer1.norm.2.bias -> stage3.1.layers.0.second.norm.bias"""
    if match := STEM.fullmatch(name):
        part, tensor = match.groups()
        return f"stem.conv1.{'norm.' if part == 'norm' else ''}{tensor}"
    if match := LAYER.fullmatch(name):
        block, layer, part, half, tensor = match.groups()
        stage = int(block) + 1
        return f"stage{stage}.{_dense_block(stage)}.layers.{int(layer) - 1}.{HALVES[half]}.{part}.{tensor}"
    if match := TRANSITION.fullmatch(name):
        # its norm is the last block of a stage here, its convolution the first of the next
        number, part, tensor = match.groups()
        stage = int(number) + 1
        if part == "conv":
            return f"stage{stage + 1}.0.conv.{tensor}"
        return f"stage{stage}.{_dense_block(stage) + 1}.norm.{tensor}"
    if match := LAST_NORM.fullmatch(name):
        return f"stage5.{_dense_block(5) + 1}.norm.{match[1]}"
    return None


def _dense_block(stage: int) -> int:
    """Its place in a stage: behind the transition, which stage2 does not have."""
    return 0 if stage == 2 else 1


SOURCES = (Source("torchvision or timm DenseNet", rename, IMAGENET_RGB),)
