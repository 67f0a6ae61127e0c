"""The classes of an image's pixels (semantic segmentation), from a file and through the augmentation."""

import numpy as np
import torch
from PIL import Image


def read_classes(path, image_shape: tuple[int, int]) -> np.ndarray:
    """(H, W) of a PNG whose pixels are classes: its numbers as they are, also where a palette colours them.

    Raises:
        ValueError: a file that is missing, no such PNG, or not of `image_shape` (height, width).
    """
    try:
        with Image.open(path) as image:
            classes = np.asarray(image)
    except (OSError, SyntaxError) as error:  # SyntaxError: Pillow's word for a broken PNG
        raise ValueError(f"{path}: cannot be read as classes of pixels ({error})") from error
    if classes.shape != tuple(image_shape):
        raise ValueError(
            f"{path}: expected one class for each pixel of the image, (height, width) = {tuple(image_shape)}, "
            f"got {classes.shape}"
        )
    return classes


def transformed_classes(classes: np.ndarray, transforms, ignore_value: int) -> torch.Tensor:
    """(H, W) int64 after the augmentation; `ignore_value` where it shows what is outside of the image."""
    there = transforms.apply_segmentation(np.ones(classes.shape, np.uint8)).astype(bool)
    # float32 counts exactly, and torch resamples no integers but bytes
    moved = transforms.apply_segmentation(classes.astype(np.float32))
    return torch.from_numpy(np.where(there, moved, ignore_value).astype(np.int64))
