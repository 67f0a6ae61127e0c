"""timm's CSPResNet-50, CSPResNeXt-50 and CSPDarknet-53."""

import re
from collections.abc import Collection

from dense_det.weights.source import IMAGENET_RGB, Source

PARTS = {"conv": "", "bn": "norm."}
STEM = re.compile(r"stem\.(conv1)\.(conv|bn)\.(\w+)")
LAYER = re.compile(
    r"stages\.(\d)\.(conv_down|conv_exp|conv_transition|conv_transition_b|blocks\.\d+\.conv\d)\.(conv|bn)\.(\w+)"
)


def make_rename(first_stage: int):
    """stages.1.blocks.0.conv1.bn.bias -> stage3.0.blocks.0.conv1.norm.bias

    Args:
        first_stage: what timm's stages.0 is here: 2, or 1 where it is part of our stem.
    """

    def rename(name: str) -> str | None:
        if match := STEM.fullmatch(name):
            layer, part, tensor = match.groups()
            return f"stem.{layer}.{PARTS[part]}{tensor}"
        if match := LAYER.fullmatch(name):
            stage, layer, part, tensor = match.groups()
            number = int(stage) + first_stage
            where = "stem.stage" if number == 1 else f"stage{number}.0"
            return f"{where}.{layer}.{PARTS[part]}{tensor}"
        return None

    return rename


def _is_darknet(names: Collection[str]) -> bool:
    """Five stages, the first of stride 2."""
    return any("stages.4." in name for name in names)


SOURCES = (
    Source("timm cspdarknet53", make_rename(first_stage=1), IMAGENET_RGB, mark=_is_darknet),
    Source("timm cspresnet50 or cspresnext50", make_rename(first_stage=2), IMAGENET_RGB),
)
