"""MobileNetV2: torchvision's, and that of vovnet-detectron2 and centermask2."""

import re

from dense_det.weights.source import CAFFE_BGR, CLASSIFIER, IMAGENET_RGB, Source

# of both lists of layers, the first of stage2 to stage5; 0 and 1 are the stem's, 18 is the classifier's 1x1
FIRST_OF_STAGE = {2: 2, 3: 4, 4: 7, 5: 14}
STEM = re.compile(r"0\.([01])\.(\w+)")
BLOCK = re.compile(r"(\d+)\.conv\.(\d(?:\.[01])?)\.(\w+)")

# where the layers of a block are in its list: in torchvision's, a convolution and its norm are a list of their own
TORCHVISION = {
    "0.0": "expand.",
    "0.1": "expand.norm.",
    "1.0": "depthwise.",
    "1.1": "depthwise.norm.",
    "2": "project.",
    "3": "project.norm.",
}
AUTHORS = {
    "0": "expand.",
    "1": "expand.norm.",
    "3": "depthwise.",
    "4": "depthwise.norm.",
    "6": "project.",
    "7": "project.norm.",
}
# the stem's block widens nothing, so it has no first 1x1
TORCHVISION_STEM = {"0.0": "depthwise.", "0.1": "depthwise.norm.", "1": "project.", "2": "project.norm."}
AUTHORS_STEM = {"0": "depthwise.", "1": "depthwise.norm.", "3": "project.", "4": "project.norm."}


def make_rename(parts: dict[str, str], stem_parts: dict[str, str]):
    """5.conv.0.1.bias (of "features.5.conv.0.1.bias") -> stage3.1.expand.norm.bias, by torchvision's `parts`"""

    def rename(name: str) -> str | None:
        if match := STEM.fullmatch(name):
            part, tensor = match.groups()
            return f"stem.conv.{'norm.' if part == '1' else ''}{tensor}"
        if match := BLOCK.fullmatch(name):
            index, part, tensor = int(match[1]), match[2], match[3]
            if index == 1:
                return f"stem.block.{stem_parts[part]}{tensor}" if part in stem_parts else None
            if not 2 <= index <= 17 or part not in parts:
                return None
            stage = max(stage for stage, first in FIRST_OF_STAGE.items() if first <= index)
            return f"stage{stage}.{index - FIRST_OF_STAGE[stage]}.{parts[part]}{tensor}"
        return None

    return rename


SOURCES = (
    Source(
        "torchvision MobileNetV2",
        make_rename(TORCHVISION, TORCHVISION_STEM),
        IMAGENET_RGB,
        mark=lambda names: any(".conv.0.0." in name for name in names),
        classifier=rf"{CLASSIFIER}|18\.[01]\.\w+",
    ),
    Source(
        "vovnet-detectron2 or centermask2 (MobileNetV2)",
        make_rename(AUTHORS, AUTHORS_STEM),
        CAFFE_BGR,
        mark=lambda names: any(".conv.7." in name for name in names),
    ),
)
