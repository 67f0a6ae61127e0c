"""A picture as a detector gets it: the bytes of a file, decoded and resized each time."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from detectron2.data import transforms as T
from PIL import UnidentifiedImageError

from dense_det.analysis.sample_page import sample_jpeg


@dataclass(frozen=True)
class Source:
    """One file, for one kind of detector.

    Attributes:
        content: the file's bytes.
        read: (file, "BGR" or "RGB") -> (H, W, 3) uint8: dense_det.data.mapper.read_image, which lies in another room.
        size: the shorter edge becomes the smaller of both, the longer at most the larger, as at test time.
        name: of the file, for errors.
    """

    content: bytes
    read: Callable[..., np.ndarray]
    image_format: str
    size: tuple[int, int]
    name: str = "the drawn page"

    @classmethod
    def of(cls, file: Path | None, read: Callable[..., np.ndarray], image_format: str, size) -> "Source":
        """Of a file's bytes, without one of a drawn page."""
        if file is None:
            return cls(sample_jpeg(size), read, image_format, size)
        return cls(file.read_bytes(), read, image_format, size, str(file))

    def decode(self) -> np.ndarray:
        """(H, W, 3) uint8.

        Raises:
            ValueError: no picture, a damaged one, or one too large; names the file.
        """
        try:
            return self.read(io.BytesIO(self.content), self.image_format)
        except UnidentifiedImageError as error:
            raise ValueError(f"{self.name}: not a picture that Pillow knows: give a JPEG, PNG, ...") from error
        except Exception as error:  # decoders of broken files raise anything, SyntaxError and struct.error too
            raise ValueError(f"{self.name}: not read as a picture ({type(error).__name__}: {error})") from error

    def resize(self, picture: np.ndarray) -> dict:
        """Detectron2's dict of one image: "image" (3, H, W) uint8, "height" and "width" of the file.

        Raises:
            ValueError: so long and narrow that no pixel of the shorter edge would be left; names the file.
        """
        height, width = picture.shape[:2]
        transform = T.ResizeShortestEdge(min(self.size), max(self.size)).get_transform(picture)
        if min(transform.new_h, transform.new_w) < 1:
            raise ValueError(
                f"{self.name}: {width} x {height} pixels are too long and narrow for edges of at most "
                f"{max(self.size)}: give another picture, or a larger --size"
            )
        pixels = np.ascontiguousarray(transform.apply_image(picture).transpose(2, 0, 1))
        return {"image": torch.from_numpy(pixels), "height": height, "width": width}
