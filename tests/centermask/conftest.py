"""Small detectors and images with objects."""

from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.structures import BitMasks, Boxes, Instances, PolygonMasks

from dense_det.config import load_cfg
from dense_det.engine.model import build_model

CONFIG = Path(__file__).parents[2] / "configs" / "centermask_lite_vovnet_19_slim_dw.yaml"
SIZE = (96, 128)
BOXES = [[8.0, 8.0, 60.0, 70.0], [50.0, 20.0, 120.0, 90.0]]


@pytest.fixture
def build():
    """build(KEY=value, ...) -> a CenterMask-Lite of 3 classes; keys below MODEL with two underscores for a dot."""

    def make(seed: int = 0, **keys) -> torch.nn.Module:
        small = {
            "DEVICE": "cpu", "FPN__OUT_CHANNELS": 32, "FCOS__NUM_CLASSES": 3, "ROI_HEADS__NUM_CLASSES": 3,
            "ROI_MASK_HEAD__CONV_DIM": 32, "ROI_MASKIOU_HEAD__CONV_DIM": 32, "ROI_MASKIOU_HEAD__FC_DIM": 16,
        }  # fmt: skip
        opts = [word for key, value in (small | keys).items() for word in (f"MODEL.{key.replace('__', '.')}", value)]
        torch.manual_seed(seed)
        return build_model(load_cfg(CONFIG, opts))

    return make


@pytest.fixture
def record():
    """record(boxes, classes, has_mask, bitmaps=False) -> what the mapper gives: each mask is its box's ellipse."""

    def make(boxes=BOXES, classes=(0, 2), has_mask=None, bitmaps=False, with_masks=True) -> dict:
        instances = Instances(SIZE)
        instances.gt_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
        instances.gt_classes = torch.tensor(classes, dtype=torch.int64)
        if with_masks:
            has_mask = [True] * len(boxes) if has_mask is None else has_mask
            polygons = [[ellipse(box)] if there else [] for box, there in zip(boxes, has_mask, strict=True)]
            masks = PolygonMasks(polygons)
            instances.gt_masks = BitMasks.from_polygon_masks(masks, *SIZE) if bitmaps else masks
            instances.gt_has_mask = torch.tensor(has_mask, dtype=torch.bool)
        image = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(7)) * 255
        return {"image": image, "instances": instances}

    return make


def ellipse(box) -> np.ndarray:
    x0, y0, x1, y1 = box
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x, y = (x0 + x1) / 2 + (x1 - x0) / 2 * np.cos(angle), (y0 + y1) / 2 + (y1 - y0) / 2 * np.sin(angle)
    return np.stack([x, y], 1).reshape(-1)
