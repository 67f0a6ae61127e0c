"""What one view of one teacher finds is what its model finds, at the edge of the picture, too."""

from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.modeling import detector_postprocess
from detectron2.structures import Boxes, Instances
from pycocotools import mask as coco_mask

from dense_det.config import load_cfg
from dense_det.distillation.labelling import Labeller
from dense_det.distillation.teacher import DetectorTeacher, Identity
from dense_det.distillation.views import View
from dense_det.engine.model import build_model

_CONFIG = Path(__file__).parents[2] / "configs" / "centermask_lite_vovnet_19_slim_dw.yaml"
_WHO = Identity("detectron2", "c", "w", "model.pth")


def labeller(teacher, *views: View) -> Labeller:
    return Labeller((teacher,), (views,), (np.arange(len(teacher.classes)),), teacher.classes, "nms", 0.5, 0.05, 99)


class LeavesOnTheLeft:
    """Finds a box of which 20 of 40 columns lie in the picture, and one that is not in it; notes where masks are."""

    classes, has_masks = ("card",), True
    found = np.array([[-20, 10, 20, 50], [-30, 10, -5, 50.0]])

    def __init__(self):
        self.drawn_in = []

    def find(self, image, view):
        return self.found, np.array([0.9, 0.8]), np.array([0, 0])

    def masks(self, image, view, boxes, classes):
        self.drawn_in.append(boxes.tolist())
        return np.ones((len(boxes), 28, 28), np.float32)


def test_masks_are_drawn_in_the_box_as_it_was_found_and_stored_in_the_picture():
    teacher, image = LeavesOnTheLeft(), np.zeros((60, 80, 3), np.uint8)
    found = labeller(teacher, View(60)).label(image, 1, (120, 160))
    assert teacher.drawn_in == [[[-20, 10, 20, 50]]]
    assert found.boxes.tolist() == [[0, 20, 40, 100]] and found.boxes.dtype == np.float32
    mask = coco_mask.decode({"counts": found.masks[0], "size": [120, 160]})
    assert mask.sum() == mask[20:100, :40].sum() == 80 * 40


def test_what_is_fused_is_cut_before():
    teacher, image = LeavesOnTheLeft(), np.zeros((60, 80, 3), np.uint8)
    found = labeller(teacher, View(60), View(80)).label(image, 1)
    assert teacher.drawn_in == [[[0, 10, 20, 50]]] * 2 and found.boxes.tolist() == [[0, 10, 20, 50]]


@pytest.fixture(scope="module")
def teacher():
    cfg = load_cfg(_CONFIG, ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", ""])
    assert not cfg.MODEL.FCOS.CLIP_BOXES
    cfg.MODEL.FCOS.NUM_CLASSES = cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    cfg.MODEL.FCOS.PRIOR_PROB = 0.3
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    model.roi_heads.mask_head.predictor.weight.data *= 200  # from 0.001, where every mask is a half
    return DetectorTeacher(model, ("a", "b"), "BGR", 96, 160, (View(96),), _WHO)


def test_the_model_s_own_masks_of_boxes_that_leave_the_picture(teacher, monkeypatch):
    """The boxes of the proposal generator are given, so that each leaves by another side; the rest is the model's."""
    pixels = np.random.default_rng(2).integers(0, 255, (96, 128, 3), np.uint8).repeat(2, 0).repeat(2, 1)
    given = torch.tensor([[-60, 20, 40, 70], [90, -50, 120, 40], [70, 30, 190, 80], [30, 50, 80, 150.0]])

    def propose(images, features, targets=None):
        size = images.image_sizes[0]
        scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
        return [Instances(size, pred_boxes=Boxes(given.clone()), scores=scores, pred_classes=torch.arange(4) % 2)], {}

    monkeypatch.setattr(teacher.model.proposal_generator, "forward", propose)
    record, _ = teacher._look(pixels, View(96))
    with torch.inference_mode():
        raw = teacher.model.inference([record], do_postprocess=False)[0]
        own = detector_postprocess(raw, 192, 256)
    found = labeller(teacher, View(96)).label(pixels, 1)
    assert np.allclose(found.boxes, own.pred_boxes.tensor.numpy(), atol=1e-4) and found.boxes.min() == 0
    assert found.scores.tolist() == own.scores.tolist() and found.classes.tolist() == own.pred_classes.tolist()
    for counts, mask in zip(found.masks, own.pred_masks.numpy(), strict=True):
        drawn = coco_mask.decode({"counts": counts, "size": [192, 256]})
        assert (drawn != mask).sum() <= 2 and 50 < mask.sum()
