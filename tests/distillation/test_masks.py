"""Masks: by hand, and averaged over the views of a CenterMask with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from dense_det.config import load_cfg
from dense_det.distillation.labelling import Labeller
from dense_det.distillation.masks import encode_masks
from dense_det.distillation.teacher import DetectorTeacher, Identity
from dense_det.distillation.views import View
from dense_det.engine.model import build_model

_CONFIGS = Path(__file__).parents[2] / "configs"


def decoded(counts: bytes, size) -> np.ndarray:
    return coco_mask.decode({"counts": counts, "size": list(size)})


def test_by_hand():
    boxes = np.array([[10, 20, 30, 40]] * 9, np.float32)
    probabilities = np.ones((9, 28, 28))
    probabilities[1:, :, :14] = 0.4
    masks = [decoded(counts, (50, 60)) for counts in encode_masks(probabilities, boxes, (50, 60))]
    assert len(masks) == 9 and masks[0].sum() == masks[0][20:40, 10:30].sum() == 400
    assert masks[8][20:40, :19].sum() == 0 and masks[8][20:40, 21:30].all()


@pytest.fixture(scope="module")
def teacher():
    cfg = load_cfg(_CONFIGS / "centermask_lite_vovnet_19_slim_dw.yaml", ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", ""])
    cfg.MODEL.FCOS.NUM_CLASSES = cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    cfg.MODEL.FCOS.PRIOR_PROB = 0.3
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    return DetectorTeacher(model, ("a", "b"), "BGR", 96, 160, (View(96),), Identity("d", "c", "w", "n"))


def test_averaged_over_views(teacher):
    assert teacher.has_masks
    image = np.random.default_rng(0).integers(0, 255, (96, 120, 3), np.uint8)
    views = (View(96), View(128, True))
    found = Labeller((teacher,), (views,), (np.array([1, 0]),), ("x", "y"), "nms", 0.5, 0.05, 5).label(image, 1)
    assert 0 < len(found) <= 5 and len(found.masks) == len(found)
    own = 1 - found.classes
    mean = np.mean([teacher.masks(image, view, found.boxes, own) for view in views], axis=0)
    assert found.masks == encode_masks(mean, found.boxes, (96, 120))
    assert decoded(found.masks[0], (96, 120)).shape == (96, 120)
    larger = Labeller((teacher,), (views,), (np.array([1, 0]),), ("x", "y"), "nms", 0.5, 0.05, 5)
    larger = larger.label(image, 1, (192, 360))
    assert larger.masks == encode_masks(mean, found.boxes * np.float32([3, 2, 3, 2]), (192, 360))


def test_a_mirrored_image_under_a_mirrored_view_has_the_mirrored_mask(teacher):
    image = np.random.default_rng(1).integers(0, 255, (96, 128, 3), np.uint8)
    boxes = np.array([[10, 10, 60, 80]], np.float32)
    mirrored = boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [128, 0, 128, 0]
    plain = teacher.masks(image, View(96), boxes, np.array([0]))
    other = teacher.masks(
        np.ascontiguousarray(image[:, ::-1]), View(96, True), mirrored.astype(np.float32), np.array([0])
    )
    assert np.allclose(plain, other[:, :, ::-1], atol=1e-6)


def test_one_view_gives_the_models_own_masks(teacher):
    pixels = np.random.default_rng(2).integers(0, 255, (96, 128, 3), np.uint8)
    tensor = torch.from_numpy(np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1)))
    with torch.inference_mode():
        plain = teacher.model([{"image": tensor, "height": 96, "width": 128}])[0]["instances"]
    assert len(plain) > 3
    boxes, scores, classes = teacher.find(pixels, View(96))
    inside = boxes.clip(0, [128, 96, 128, 96])
    kept = (inside[:, 2:] > inside[:, :2]).all(1)
    assert np.allclose(inside[kept], plain.pred_boxes.tensor.numpy(), atol=1e-4)
    assert np.allclose(scores[kept], plain.scores.numpy(), atol=1e-6)
    masks = encode_masks(
        teacher.masks(pixels, View(96), boxes[kept], classes[kept]), boxes[kept].astype(np.float32), (96, 128)
    )
    for counts, mask in zip(masks, plain.pred_masks.numpy(), strict=True):
        assert (decoded(counts, (96, 128)) != mask).sum() <= 2
