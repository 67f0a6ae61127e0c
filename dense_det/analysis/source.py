"""A picture as a detector gets it: the bytes of a file, decoded and resized each time."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.data import transforms as T


@dataclass(frozen=True)
class Source:
    """One file, for one kind of detector.

    Attributes:
        content: the file's bytes.
        read: (file, "BGR" or "RGB") -> (H, W, 3) uint8: dense_det.data.mapper.read_image, which lies in another room.
        size: the shorter edge becomes the smaller of both, the longer at most the larger, as at test time.
    """

    content: bytes
    read: Callable[..., np.ndarray]
    image_format: str
    size: tuple[int, int]

    def decode(self) -> np.ndarray:
        return self.read(io.BytesIO(self.content), self.image_format)

    def resize(self, picture: np.ndarray) -> dict:
        """Detectron2's dict of one image: "image" (3, H, W) uint8, "height" and "width" of the file."""
        height, width = picture.shape[:2]
        transform = T.ResizeShortestEdge(min(self.size), max(self.size)).get_transform(picture)
        pixels = np.ascontiguousarray(transform.apply_image(picture).transpose(2, 0, 1))
        return {"image": torch.from_numpy(pixels), "height": height, "width": width}
