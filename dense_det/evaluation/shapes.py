"""Masks and corners of detections on a picture."""

import cv2
import numpy as np
import pycocotools.mask as coco_mask

from dense_det.drawing import draw_masks, draw_quads
from dense_det.evaluation.detections import Detections


def draw_shapes(image: np.ndarray, scale: float, detections: Detections, colors: list) -> np.ndarray:
    """A copy of `image` with the masks and corners that all of `detections` have; none, where a detector gives none.

    Args:
        image: (H, W, 3) RGB, of the original size times `scale`.
        colors: an RGB tuple for each detection.
    """
    if detections.masks is not None:
        size = (image.shape[1], image.shape[0])
        masks = [cv2.resize(coco_mask.decode(mask), size, interpolation=cv2.INTER_AREA) for mask in detections.masks]
        image = draw_masks(image, [mask.astype(bool) for mask in masks], colors)
    if detections.quads is not None:
        image = draw_quads(image, detections.quads * scale, colors)
    return image
