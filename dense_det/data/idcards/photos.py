"""Photographs to lay documents on: scikit-image's, those of Debian packages, or a folder of one's own."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dense_det.data.idcards.people import skimage_data
from dense_det.data.mapper import read_image

logger = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
# those of scikit-image that show surfaces and rooms, as one holds a document before them
SKIMAGE = {
    "train": ("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png", "motorcycle_left.png"),
    "val": ("camera.png", "gravel.png", "rocket.jpg", "coins.png"),
}
SHARE_OF_VAL = 0.25
LONG_SIDE = 1400  # pixels; more is never seen
LEAST_SIDE = 200
MAX_PIXELS = 60_000_000


@dataclass(frozen=True)
class Photo:
    """A photograph of one split.

    Attributes:
        name: where it comes from, for the record.
    """

    name: str
    path: Path
    split: str


def find_photos(folder=None) -> tuple[list[Photo], list[str]]:
    """scikit-image's photographs and those below `folder`, and what could not be used, with the reason.

    A photograph of a folder belongs to a split by its content, so that copies of one do not meet.
    """
    photos = [
        Photo(f"skimage/{name}", skimage_data() / name, split) for split, names in SKIMAGE.items() for name in names
    ]
    problems, small = [], 0
    if folder is not None:
        for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES):
            try:
                if not _is_large(path):
                    small += 1
                    continue
            except Exception as error:  # damaged files raise whatever the decoder meets
                problems.append(f"{path} is left out: {error}")
                continue
            digest = hashlib.sha256(path.read_bytes()).digest()
            split = "val" if digest[0] < 256 * SHARE_OF_VAL else "train"
            photos.append(Photo(str(path.relative_to(folder)), path, split))
    if small:
        problems.append(f"{small} pictures in {folder} are left out: a side has less than {LEAST_SIDE} pixels")
    return photos, problems


def _is_large(path: Path) -> bool:
    """Whether an image is large enough; raises what its decoder raises, and ValueError for too large a one."""
    with Image.open(path) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels are more than {MAX_PIXELS}")
        if min(width, height) < LEAST_SIDE:
            return False
        image.draft("RGB", (LEAST_SIDE, LEAST_SIDE))
        image.load()
    return True


class PhotoShelf:
    """The photographs of a split, each read once and kept at LONG_SIDE."""

    def __init__(self, photos: list[Photo], split: str):
        self.photos = [photo for photo in photos if photo.split == split]
        self._pixels: dict[str, np.ndarray] = {}
        if not self.photos:
            raise ValueError(f"no photograph for {split}: give a folder with more of them")

    def crop(self, rng: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, str]:
        """(height, width, 3) RGB uint8 out of a random photograph, and its name: any part, mirrored, turned, tinted."""
        photo = self.photos[rng.integers(len(self.photos))]
        pixels = self._load(photo)
        if rng.random() < 0.3:
            pixels = np.rot90(pixels, int(rng.integers(1, 4)))
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        tall, wide = pixels.shape[:2]
        scale = rng.uniform(0.4, 1) * min(wide / width, tall / height)
        crop_w, crop_h = max(int(width * scale), 8), max(int(height * scale), 8)
        x, y = rng.integers(wide - crop_w + 1), rng.integers(tall - crop_h + 1)
        crop = np.ascontiguousarray(pixels[y : y + crop_h, x : x + crop_w])
        crop = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR)
        if rng.random() < 0.5:
            crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 2.5))
        gains = rng.uniform(0.75, 1.2) * rng.uniform(0.85, 1.15, 3)
        return (crop * gains).clip(0, 255).astype(np.uint8), photo.name

    def _load(self, photo: Photo) -> np.ndarray:
        if photo.name not in self._pixels:
            image = read_image(photo.path, "RGB")
            scale = LONG_SIDE / max(image.shape)
            if scale < 1:
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            self._pixels[photo.name] = image
        return self._pixels[photo.name]
