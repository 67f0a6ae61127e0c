"""Test-time augmentation: a detector looks at an image in several sizes, mirrored too, and what it finds is merged."""

from contextlib import contextmanager

import torch
from detectron2.layers import batched_nms
from detectron2.modeling import GeneralizedRCNN, detector_postprocess
from detectron2.modeling.meta_arch.panoptic_fpn import PanopticFPN
from detectron2.modeling.test_time_augmentation import DatasetMapperTTA
from detectron2.structures import Boxes, Instances
from fvcore.transforms import HFlipTransform
from torch import Tensor, nn


def build_tta(cfg, model: nn.Module) -> "AugmentedDetector":
    """`model` in the views of TEST.AUG: MIN_SIZES x FLIP.

    Raises:
        ValueError: an IoU without meaning, no sizes, a model whose output is more than instances.
    """
    aug = cfg.TEST.AUG
    if not 0 < aug.NMS_THRESH < 1:
        raise ValueError(f"TEST.AUG.NMS_THRESH is an IoU between 0 and 1, got {aug.NMS_THRESH}")
    if not aug.MIN_SIZES or min(*aug.MIN_SIZES, aug.MAX_SIZE) < 1:
        raise ValueError(f"TEST.AUG.MIN_SIZES are sizes in pixels, got {aug.MIN_SIZES} and at most {aug.MAX_SIZE}")
    if isinstance(model, PanopticFPN):
        raise ValueError("TEST.AUG is for detectors, and this is a PanopticFPN: set TEST.AUG.ENABLED False")
    views = DatasetMapperTTA(list(aug.MIN_SIZES), aug.MAX_SIZE, aug.FLIP)
    return AugmentedDetector(model, views, aug.NMS_THRESH, cfg.TEST.DETECTIONS_PER_IMAGE)


class AugmentedDetector(nn.Module):
    """Any detector, under many views of each image, with the interface of one.

    Detectron2's own class takes GeneralizedRCNN alone; this takes whatever gives "instances". Boxes of all views
    are mapped back to the image and suppressed per class. A GeneralizedRCNN with masks then predicts them in the
    merged boxes, under every view, and their probabilities (and mask_scores) are averaged; of another model, and of
    one without masks, boxes, scores and classes are all there is.

    Images should come unresized: views of an image that was made small are only blurred. One view at a time is in
    memory.

    Args:
        views: a record -> records of its views, each with "transforms", as DatasetMapperTTA.
        iou: of two boxes of a class that are more alike, the one with the higher score stays.
        max_detections: the best that are kept of an image.
    """

    def __init__(self, model: nn.Module, views, iou: float, max_detections: int):
        super().__init__()
        self.model = model
        self.views = views
        self.iou = iou
        self.max_detections = max_detections

    @torch.no_grad()
    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        """Dicts with "image" (C, H, W) uint8 -> dicts with "instances" in pixels of the record's height and width."""
        return [{"instances": self._detect(record)} for record in batched_inputs]

    def _detect(self, record: dict) -> Instances:
        size = tuple(record.get(side, length) for side, length in zip(("height", "width"), record["image"].shape[1:]))
        looks = self.views({"image": record["image"], "height": size[0], "width": size[1]})
        transforms = [look.pop("transforms") for look in looks]
        images = [{"image": look["image"]} for look in looks]
        found = [_in_image(boxes_in(self.model, image), t, size) for image, t in zip(images, transforms, strict=True)]
        merged = merge(found, self.iou, self.max_detections)
        if not has_masks(self.model):
            return merged
        masks, scores = [], []
        for image, transform in zip(images, transforms, strict=True):
            given = _in_view(merged, transform, tuple(image["image"].shape[1:]))
            mirrored = any(isinstance(t, HFlipTransform) for t in transform.transforms)
            seen_masks, seen_scores = masks_in(self.model, image, given, mirrored)
            masks.append(seen_masks)
            scores += [] if seen_scores is None else [seen_scores]
        merged.pred_masks = torch.stack(masks).mean(0)  # (R, 1, S, S) of a box: no view's size is in it
        if scores:
            merged.mask_scores = torch.stack(scores).mean(0)
        result = detector_postprocess(merged, *size)
        if getattr(self.model, "quads", False):
            self.model.add_quads(result)
        return result


def has_masks(model: nn.Module) -> bool:
    """Whether the model is a GeneralizedRCNN that predicts masks in boxes, also in boxes that it is given."""
    return isinstance(model, GeneralizedRCNN) and _mask_switch(model.roi_heads) is not None


def boxes_in(model: nn.Module, image: dict) -> Instances:
    """What the model finds in one view, {"image": (C, H, W) uint8}, in its pixels, without masks."""
    if not has_masks(model):
        return model([image])[0]["instances"]
    with _without_masks(model.roi_heads):
        return model.inference([image], do_postprocess=False)[0]


def masks_in(model: nn.Module, image: dict, given: Instances, mirrored: bool) -> tuple[Tensor, Tensor | None]:
    """Masks of given boxes (pred_boxes in pixels of the view, pred_classes, scores) of a model that has_masks.

    Returns:
        probabilities (R, 1, S, S), not mirrored where the view is, and mask_scores (R,) if masks are judged.
    """
    seen = model.inference([image], [given], do_postprocess=False)[0]
    masks = seen.pred_masks.flip(3) if mirrored else seen.pred_masks
    return masks, seen.mask_scores if seen.has("mask_scores") else None


def merge(found: list[Instances], iou: float, max_detections: int) -> Instances:
    """The instances of all views, in one frame, by falling score, without those that a better one of their class
    overlaps by more than `iou`."""
    every = Instances.cat(found)
    kept = batched_nms(every.pred_boxes.tensor, every.scores, every.pred_classes, iou)
    return every[kept if max_detections < 0 else kept[:max_detections]]


def _in_image(seen: Instances, transform, size: tuple[int, int]) -> Instances:
    boxes = seen.pred_boxes.tensor
    back = Boxes(boxes.new_tensor(transform.inverse().apply_box(boxes.cpu().numpy())))
    back.clip(size)
    result = Instances(size, pred_boxes=back, scores=seen.scores, pred_classes=seen.pred_classes)
    return result[back.nonempty()]


def _in_view(merged: Instances, transform, size: tuple[int, int]) -> Instances:
    boxes = merged.pred_boxes.tensor
    there = Boxes(boxes.new_tensor(transform.apply_box(boxes.cpu().numpy())))
    return Instances(size, pred_boxes=there, scores=merged.scores, pred_classes=merged.pred_classes)


def _mask_switch(roi_heads: nn.Module) -> tuple[str, object] | None:
    """The attribute that turns the masks of heads off, and its value for that; None for heads without masks."""
    if hasattr(roi_heads, "mask_on"):  # Detectron2's
        return ("mask_on", False) if roi_heads.mask_on else None
    return ("mask_head", None) if getattr(roi_heads, "mask_head", None) is not None else None


@contextmanager
def _without_masks(roi_heads: nn.Module):
    name, off = _mask_switch(roi_heads)
    before = getattr(roi_heads, name)
    setattr(roi_heads, name, off)
    try:
        yield
    finally:
        setattr(roi_heads, name, before)
