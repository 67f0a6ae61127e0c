"""What the mask head and the head that judges masks have to learn."""

import torch
from detectron2.layers import ROIAlign
from detectron2.structures import BitMasks, Boxes, PolygonMasks
from torch import Tensor

# cells along each side of the grid that measures an object's own mask: twice those of a predicted one
FINE = 56


def crop_masks(masks: PolygonMasks | BitMasks, rows: Tensor, boxes: Tensor, side: int) -> Tensor:
    """(R, side, side) bool: mask `rows[i]` within box i.

    Detectron2's crop_and_resize, without a copy of a whole image's bitmap for every box.

    Args:
        rows: (R,) places in `masks`.
        boxes: (R, 4) xyxy in pixels.
    """
    if isinstance(masks, PolygonMasks):
        return masks[rows].crop_and_resize(boxes, side)
    bitmaps = masks.tensor[:, None].to(boxes.dtype)
    rois = torch.cat([rows[:, None].to(boxes.dtype), boxes], dim=1)
    return ROIAlign((side, side), 1.0, 0, aligned=True)(bitmaps, rois)[:, 0] >= 0.5


def mask_areas(masks: PolygonMasks | BitMasks, boxes: Boxes) -> Tensor:
    """(G,) pixels of each mask within its own box, to the precision of a grid of FINE x FINE."""
    rows = torch.arange(len(boxes), device=boxes.device)
    return crop_masks(masks, rows, boxes.tensor, FINE).float().mean((1, 2)) * boxes.area()


def mask_iou(predicted: Tensor, target: Tensor, box_areas: Tensor, mask_areas: Tensor) -> Tensor:
    """(R,) IoU of predicted masks with their whole objects (Mask Scoring R-CNN, arXiv 1903.00241, section 3.3).

    The object may reach beyond the box, where nothing is predicted: its area in cells of the box's grid is its area
    in pixels over the pixels of a cell.

    Args:
        predicted, target: (R, S, S) bool on the grid of the box.
        box_areas: (R,) pixels of the boxes.
        mask_areas: (R,) pixels of the objects' whole masks.
    """
    cells = predicted.shape[1] * predicted.shape[2]
    intersection = (predicted & target).sum((1, 2))
    # never less than what is seen in the box: the grids round differently
    whole = torch.maximum(mask_areas * cells / box_areas.clamp(min=1e-6), target.sum((1, 2)))
    union = predicted.sum((1, 2)) + whole - intersection
    return intersection / union.clamp(min=1e-6)
