"""Portraits for documents: the small real faces of scikit-image's LFW subset, on drawn shoulders."""

import functools

import cv2
import numpy as np

from dense_det.data.idcards.chance import happens
from dense_det.data.idcards.photos import shipped_folder

# faces 0-99 of lfw_subset.npy (100-199 are no faces); real people, so each is in one split only
FACES = {"train": range(75), "val": range(75, 100)}


def draw_portrait(rng: np.random.Generator, face: int, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) RGB portrait of `size` (width, height) with face number `face`."""
    width, height = size
    scale = 3  # of drawing, so that edges come out smooth
    w, h = 60 * scale, round(60 * scale * height / width)
    color = rng.random() < 0.7
    wall = np.array(rng.uniform(150, 245)) * (rng.uniform(0.88, 1.0, 3) if color else 1)
    image = np.full((h, w, 3), wall, np.float32) * np.linspace(1.04, 0.9, h, dtype=np.float32)[:, None, None]
    skin = np.array([1.0, rng.uniform(0.76, 0.88), rng.uniform(0.6, 0.78)]) * rng.uniform(150, 245)
    clothes, hair = rng.uniform(20, 200, 3), np.array([1, 0.8, 0.6]) * rng.uniform(15, 150)
    middle = w / 2 + rng.uniform(-0.03, 0.03) * w
    top = h * rng.uniform(0.12, 0.18)
    head = w * rng.uniform(0.24, 0.28), h * 0.29  # half axes
    eye = top + head[1]
    long_hair = happens(rng, 0.45)

    def ellipse(center, axes, fill):
        cv2.ellipse(
            image, tuple(map(round, center)), tuple(map(round, axes)), 0, 0, 360, fill.tolist(), -1, cv2.LINE_AA
        )

    if long_hair:
        ellipse((middle, eye + 0.12 * h), (head[0] * 1.3, head[1] * 1.35), hair)
    ellipse((middle, h * 1.08), (w * 0.46, h * 0.32), clothes)
    ellipse((middle, eye + head[1] * 0.95), (head[0] * 0.5, head[1] * 0.5), skin * 0.8)
    ellipse((middle, eye - 0.04 * h), (head[0] * 1.12, head[1] * 1.1), hair)

    box_w, box_h = round(head[0] * 2.1), round(head[1] * 2.1)
    grey = cv2.resize(_faces()[face], (box_w, box_h), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    grey = (grey / max(np.percentile(grey, 90), 0.2)).clip(0, 1.15)
    yy, xx = np.mgrid[-1 : 1 : box_h * 1j, -1 : 1 : box_w * 1j]
    soft = np.clip((1.02 - np.sqrt(xx**2 + yy**2)) / 0.16, 0, 1)[..., None]
    x0, y0 = round(middle - box_w / 2), round(eye - box_h / 2)
    top_cut = max(0, -y0)
    place = image[y0 + top_cut : y0 + box_h, x0 : x0 + box_w]
    soft, tinted = soft[top_cut:][: len(place)], (grey[..., None] * skin)[top_cut:][: len(place)]
    place[:] = place * (1 - soft) + tinted * soft
    if not color:
        image[:] = image.mean(2, keepdims=True)
    image += rng.normal(0, 3, (h, w, 1)).astype(np.float32)
    return cv2.resize(image.clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)


@functools.cache
def _faces() -> np.ndarray:
    """(200, 25, 25) float32, 0 to 1."""
    return np.load(shipped_folder() / "lfw_subset.npy", allow_pickle=False).astype(np.float32)
