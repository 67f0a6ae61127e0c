"""Detectors from the pixels of one image to its boxes, with random weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from detectron2.modeling import build_model as build_as_detectron2
from torch import nn

from dense_det.analysis.candidates import give_candidates
from dense_det.config import find_config, load_cfg
from dense_det.engine.model import build_model
from dense_det.fold_bn import fold_bn
from dense_det.speed.race import Goal, Race

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
IMAGES = 5  # a turn: the first one after another contender finds that one's numbers in the caches
R50 = "Detectron2's RetinaNet-R50-FPN"
R50_CONFIG = "COCO-Detection/retinanet_R_50_FPN_3x.yaml"
# what runs is mostly folded anyway; norms of one kind make detectors comparable
BN = tuple(word for key in ("BOTTOM_UP", "FPN", "RETINANET") for word in (f"MODEL.{key}.NORM", "BN"))
ONE_CLASS = ("MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.RETINANET.NUM_CLASSES", "1")
_LIGHT_HEAD = ("MODEL.RETINANET.HEAD.KERNEL_SIZE", "1", "MODEL.RETINANET.HEAD.WIDTH", "128")

# contender -> config and KEY VALUE words, and how many times as fast as R50 it is to be
LIGHT = {
    "SNet (P4-P7)": ("retina_snet.yaml", BN, 20),
    "SNet with P3": ("retina_snet_p3.yaml", BN, 12),
    "V-19-slim, light head": ("retina_vovnet_19_slim.yaml", (*BN, *_LIGHT_HEAD), 4),
    "PeleeNet, light head": ("retina_peleenet.yaml", (*BN, *_LIGHT_HEAD), 4),
}


def network_race(size: int) -> Race:
    """Network and post-processing of an image of size x size pixels, batch 1, in eager torch."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size), np.uint8)
    record = {"image": torch.from_numpy(pixels), "height": size, "width": size}
    torch.manual_seed(0)
    detectors = {R50: build_as_detectron2(load_one_class(R50_CONFIG, ())).eval()}
    for name, (config, words, _) in LIGHT.items():
        detectors[name] = build_detector(config, words)
        detectors[f"{name}, folded"] = fold_bn(build_detector(config, words))
    calls = {name: _call(model, record) for name, model in detectors.items()}
    goals = tuple(Goal(R50, each, least) for name, (_, _, least) in LIGHT.items() for each in (name, f"{name}, folded"))
    return Race(f"network and boxes, {size} x {size}, eager", calls, goals, IMAGES)


def build_detector(config: str, words: tuple[str, ...] = ()) -> nn.Module:
    """The RetinaNet of a config for one class, in evaluation mode; weights are random, but the same each time."""
    torch.manual_seed(0)
    return build_model(load_one_class(config, words)).eval()


def load_one_class(config: str, words: tuple[str, ...]):
    """The cfg of one of this repository's configs, or of Detectron2's model zoo, for one class and without weights."""
    ours = CONFIGS / config
    return load_cfg(ours if ours.is_file() else find_config(config), [*ONE_CLASS, *words])


def _call(model: nn.Module, record: dict) -> Callable[[], list]:
    give_candidates(model, [record])

    def run():
        with torch.inference_mode():
            return [model([record])[0] for _ in range(IMAGES)]

    return run
