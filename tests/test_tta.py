"""A fake detector with known boxes gives them back through every view; real ones keep their interface."""

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.modeling.test_time_augmentation import DatasetMapperTTA
from detectron2.structures import Boxes, Instances
from torch import nn

from dense_det.config import get_cfg
from dense_det.tta import AugmentedDetector, build_tta, merge


def instances(boxes, scores, classes, size=(60, 80)) -> Instances:
    return Instances(
        size,
        pred_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        scores=torch.tensor(scores, dtype=torch.float32),
        pred_classes=torch.tensor(classes, dtype=torch.int64),
    )


class BrightBox(nn.Module):
    """Finds the one bright rectangle of an image, with a score that says how large the image is."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, batch):
        outputs = []
        for record in batch:
            bright = record["image"].float().mean(0) > 127
            self.sizes.append(tuple(bright.shape))
            y, x = bright.nonzero(as_tuple=True)
            box = [x.min(), y.min(), x.max() + 1, y.max() + 1]
            outputs.append({"instances": instances([box], [len(bright) / 1000], [3], tuple(bright.shape))})
        return outputs


def picture(x0=10, y0=20, x1=30, y1=50, size=(60, 80)) -> torch.Tensor:
    image = torch.zeros(3, *size, dtype=torch.uint8)
    image[:, y0:y1, x0:x1] = 255
    return image


@pytest.mark.parametrize("min_size, flip", [(60, False), (60, True), (120, False), (120, True), (30, True)])
def test_a_known_box_comes_back_through_every_view(min_size, flip):
    model = BrightBox()
    detector = AugmentedDetector(model, DatasetMapperTTA([min_size], 4000, flip), iou=0.99, max_detections=100)
    found = detector([{"image": picture(), "height": 60, "width": 80}])[0]["instances"]
    assert model.sizes == [(min_size, min_size * 4 // 3)] * (1 + flip)
    for box in found.pred_boxes.tensor:  # the mirrored view is not the same view: it is unflipped
        torch.testing.assert_close(box, torch.tensor([10.0, 20, 30, 50]), atol=0.51 * max(1, 60 / min_size), rtol=0)
    assert found.image_size == (60, 80) and found.pred_classes.tolist() == [3] * len(found)


def test_views_merge_into_one_box_with_the_best_score():
    detector = AugmentedDetector(BrightBox(), DatasetMapperTTA([60, 90, 120], 4000, True), iou=0.5, max_detections=9)
    found = detector([{"image": picture(), "height": 60, "width": 80}])[0]["instances"]
    assert len(found) == 1 and found.scores.item() == pytest.approx(0.12)


def test_an_image_that_was_resized_before_is_answered_in_the_files_pixels():
    detector = AugmentedDetector(BrightBox(), DatasetMapperTTA([60], 4000, True), iou=0.9, max_detections=9)
    found = detector([{"image": picture(), "height": 120, "width": 160}])[0]["instances"]
    torch.testing.assert_close(found.pred_boxes.tensor, torch.tensor([[20.0, 40, 60, 100]]))
    assert detector([{"image": picture()}])[0]["instances"].image_size == (60, 80)  # no height, no width


def test_merging_by_hand():
    # the second overlaps the first by 9 / 11 of the union; the third does, too, but is of another class
    first = instances([[0, 0, 10, 10], [1, 0, 11, 10]], [0.6, 0.9], [0, 0])
    second = instances([[0, 0, 10, 10], [50, 0, 60, 10]], [0.7, 0.2], [1, 0])
    merged = merge([first, second], 0.5, 100)
    assert merged.scores.tolist() == pytest.approx([0.9, 0.7, 0.2])
    assert merged.pred_boxes.tensor[0].tolist() == [1, 0, 11, 10] and merged.pred_classes.tolist() == [0, 1, 0]
    assert len(merge([first, second], 0.85, 100)) == 4 and len(merge([first, second], 0.5, 2)) == 2
    assert len(merge([first, second], 0.85, -1)) == 4  # all


def tiny(architecture: str, **roi):
    cfg = get_cfg()
    cfg.MODEL.DEVICE, cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.BACKBONE.FREEZE_AT = "cpu", architecture, 0
    cfg.MODEL.BACKBONE.NAME, cfg.MODEL.BOTTOM_UP.VARIANT = "build_fpn_backbone", "V-19-slim-dw-eSE"
    cfg.MODEL.BOTTOM_UP.NORM, cfg.MODEL.FPN.OUT_CHANNELS, cfg.MODEL.FPN.NORM = "GN", 32, "GN"
    cfg.MODEL.FPN.IN_FEATURES = ["stage3", "stage4", "stage5"]
    levels = ["p3", "p4", "p5", "p6", "p7"]
    cfg.MODEL.RETINANET.IN_FEATURES = cfg.MODEL.RPN.IN_FEATURES = levels
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[16], [32], [64], [128], [256]]
    cfg.MODEL.ROI_HEADS.IN_FEATURES = levels[:3]
    cfg.MODEL.ROI_MASK_HEAD.NAME, cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = "MaskRCNNConvUpsampleHead", 1
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM, cfg.MODEL.ROI_BOX_HEAD.FC_DIM, cfg.MODEL.ROI_BOX_HEAD.NUM_FC = 16, 16, 1
    cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    cfg.MODEL.RETINANET.NUM_CLASSES = cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.FCOS.NUM_CLASSES = 3
    cfg.MODEL.RETINANET.SCORE_THRESH_TEST = cfg.MODEL.FCOS.INFERENCE_TH_TEST = 0.0
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    cfg.TEST.DETECTIONS_PER_IMAGE, cfg.MODEL.FCOS.POST_NMS_TOPK_TEST = 5, 5
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.FLIP = (48, 64), True
    cfg.merge_from_list([word for pair in roi.items() for word in pair])
    return cfg, build_model(cfg).eval()


RCNN = {"MODEL.MASK_ON": True, "MODEL.ROI_HEADS.NAME": "StandardROIHeads"}
CENTERMASK = {
    "MODEL.MASK_ON": True, "MODEL.MASKIOU_ON": True, "MODEL.PROPOSAL_GENERATOR.NAME": "DenseDetFCOS",
    "MODEL.ROI_HEADS.NAME": "DenseDetCenterROIHeads", "MODEL.ROI_MASK_HEAD.NAME": "DenseDetSpatialAttentionMaskHead",
    "MODEL.ROI_MASKIOU_HEAD.FC_DIM": 16, "MODEL.ROI_MASKIOU_HEAD.CONV_DIM": 16, "MODEL.ROI_MASK_HEAD.QUADS": True,
}  # fmt: skip


@pytest.mark.parametrize(
    "architecture, options, fields",
    [
        ("DenseDetRetinaNet", {}, set()),
        ("GeneralizedRCNN", RCNN | {"MODEL.MASK_ON": False}, set()),
        ("GeneralizedRCNN", RCNN, {"pred_masks"}),
        ("DenseDetCenterMask", CENTERMASK, {"pred_masks", "mask_scores", "pred_quads"}),
    ],
)
def test_every_detector_keeps_its_interface(architecture, options, fields):
    cfg, model = tiny(architecture, **options)
    masks_before = getattr(getattr(model, "roi_heads", None), "mask_head", None)
    image = picture(size=(60, 80))
    found = build_tta(cfg, model)([{"image": image, "height": 90, "width": 120}])[0]["instances"]
    assert set(found.get_fields()) == {"pred_boxes", "scores", "pred_classes"} | fields
    assert 0 < len(found) <= 5 and found.image_size == (90, 120)
    if fields:
        assert found.pred_masks.shape[1:] == (90, 120) and found.pred_masks.dtype == torch.bool
        assert model.roi_heads.mask_head is masks_before
        assert model([{"image": image, "height": 90, "width": 120}])[0]["instances"].has("pred_masks")


def test_one_view_of_the_images_own_size_changes_nothing():
    cfg, model = tiny("GeneralizedRCNN", **RCNN)
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.FLIP = (60,), False
    record = {"image": picture(), "height": 60, "width": 80}
    plain, augmented = model([record])[0]["instances"], build_tta(cfg, model)([record])[0]["instances"]
    torch.testing.assert_close(augmented.pred_boxes.tensor, plain.pred_boxes.tensor)
    torch.testing.assert_close(augmented.scores, plain.scores)
    assert torch.equal(augmented.pred_masks, plain.pred_masks)


@pytest.mark.parametrize("key, value", [("NMS_THRESH", 0.0), ("NMS_THRESH", 1.5), ("MIN_SIZES", ()), ("MAX_SIZE", 0)])
def test_what_has_no_meaning_is_named(key, value):
    cfg = get_cfg()
    cfg.TEST.AUG[key] = value
    with pytest.raises(ValueError, match=f"TEST.AUG.{'MIN_SIZES' if key == 'MAX_SIZE' else key}"):
        build_tta(cfg, BrightBox())
