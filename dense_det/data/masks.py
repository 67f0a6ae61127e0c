"""Masks of training: polygons, RLE and bitmaps through one geometry, and objects that have none."""

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import torch
from detectron2.structures import BitMasks, Boxes, PolygonMasks
from detectron2.structures.masks import polygons_to_bitmask

from dense_det.suggest import unknown

FORMATS = ("polygon", "bitmask")


def require_mask_format(name: str) -> str:
    """`name`, if INPUT.MASK_FORMAT may be that; ValueError otherwise."""
    if name not in FORMATS:
        raise ValueError(f"INPUT.MASK_FORMAT: {unknown('mask format', name, FORMATS)}")
    return name


def transformed_masks(
    annotations: list[dict], transforms, image_shape: tuple[int, int], mask_format: str = "polygon"
) -> tuple[PolygonMasks | BitMasks, torch.Tensor]:
    """The masks of the objects of one image after its augmentation, and (R,) bool: has the object a mask at all?

    Objects of an image may come as polygons, as RLE (compressed or not) or as bitmaps. Together they are PolygonMasks
    if all of those with a mask are polygons and `mask_format` is "polygon", else BitMasks; an object without a mask
    has no polygon, or an empty bitmap.

    Args:
        annotations: Detectron2's, with or without "segmentation".
        transforms: the augmentation, as Detectron2's TransformList.
        image_shape: (height, width) after it.

    Raises:
        ValueError: a segmentation of another kind.
    """
    shapes = [_shape(annotation.get("segmentation"), transforms) for annotation in annotations]
    has_mask = torch.tensor([shape is not None for shape in shapes], dtype=torch.bool)
    if mask_format == "polygon" and not any(isinstance(shape, np.ndarray) for shape in shapes):
        return PolygonMasks([shape or [] for shape in shapes]), has_mask
    bitmaps = np.zeros((len(shapes), *image_shape), dtype=bool)
    for bitmap, shape in zip(bitmaps, shapes, strict=True):
        if isinstance(shape, np.ndarray):
            bitmap[:] = shape
        elif shape:
            bitmap[:] = polygons_to_bitmask(shape, *image_shape)
    return BitMasks(torch.from_numpy(bitmaps)), has_mask


def tighten_boxes(boxes: Boxes, masks: PolygonMasks | BitMasks, cut: np.ndarray) -> None:
    """Set those `boxes` whose objects were `cut` (R,) to what is left of their masks, if that is anything.

    The box of a tilted card, cut to the image, reaches farther than the part of the card that is on the image.
    """
    for row in np.flatnonzero(cut):
        visible = _visible(masks, row, boxes.tensor[row])
        if visible is not None:
            boxes.tensor[row] = visible


def decode_rle(rle: dict) -> np.ndarray:
    """(H, W) bool of an RLE dict, compressed or with a list of counts."""
    if isinstance(rle["counts"], list):
        rle = coco_mask.frPyObjects(rle, *rle["size"])
    return coco_mask.decode(rle).astype(bool)


def _shape(segmentation, transforms) -> list[np.ndarray] | np.ndarray | None:
    """Polygons, each (2 P,), or a bitmap (H, W) bool, after the augmentation; None where there is no mask."""
    if segmentation is None or (isinstance(segmentation, list) and not segmentation):
        return None
    if isinstance(segmentation, list):
        polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in segmentation]
        return [polygon.reshape(-1) for polygon in transforms.apply_polygons(polygons)]
    if isinstance(segmentation, dict):
        segmentation = decode_rle(segmentation)
    if not isinstance(segmentation, np.ndarray) or segmentation.ndim != 2:
        raise ValueError(
            f"a segmentation is a list of polygons, an RLE dict or a (H, W) array, got a {type(segmentation).__name__}"
        )
    return transforms.apply_segmentation(segmentation.astype(np.uint8)).astype(bool)


def _visible(masks: PolygonMasks | BitMasks, row: int, box: torch.Tensor) -> torch.Tensor | None:
    """xyxy around the part of a mask within `box`; None if there is none."""
    x0, y0, x1, y1 = box.tolist()
    left, top = int(np.floor(x0)), int(np.floor(y0))
    width, height = int(np.ceil(x1)) - left, int(np.ceil(y1)) - top
    if isinstance(masks, BitMasks):
        window = masks.tensor[row, top : top + height, left : left + width].numpy().astype(np.uint8)
    else:
        window = np.zeros((max(height, 1), max(width, 1)), np.uint8)
        polygons = [polygon.reshape(-1, 2) - (left, top) for polygon in masks.polygons[row]]
        # OpenCV draws through pixel centres, at fractions of 1 / 16
        cv2.fillPoly(window, [np.round((p - 0.5) * 16).astype(np.int32) for p in polygons], 1, shift=4)
    if not window.any():
        return None
    x, y, w, h = cv2.boundingRect(window)
    inside = box.new_tensor([left + x, top + y, left + x + w, top + y + h])
    return torch.cat([torch.maximum(inside[:2], box[:2]), torch.minimum(inside[2:], box[2:])])
