"""Averaged mask probabilities as COCO's compressed RLE."""

import numpy as np
import torch
from detectron2.layers import paste_masks_in_image
from pycocotools import mask as coco_mask

_AT_A_TIME = 8  # masks of the whole image that are in memory


def encode_masks(probabilities: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> tuple[bytes, ...]:
    """(R, S, S) probabilities within (R, 4) xyxy boxes -> the RLE "counts" of R masks of `size` (height, width)."""
    counts = []
    for start in range(0, len(boxes), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        pasted = paste_masks_in_image(
            torch.from_numpy(probabilities[part]).float(), torch.from_numpy(boxes[part]), size, threshold=0.5
        )
        counts += [coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))["counts"] for mask in pasted]
    return tuple(counts)
