"""Light and lens: shadows, gloss, uneven light, colour cast, blur, noise."""

import cv2
import numpy as np

from dense_det.data.idcards.camera import warp
from dense_det.data.idcards.chance import happens, pick


def lay_down(rng: np.random.Generator, scene: np.ndarray, image, alpha, quad: np.ndarray, glossy: bool) -> np.ndarray:
    """Put a flat thing into `scene`, in place, with its shadow and its own light; returns its mask.

    Args:
        scene: (H, W, 3) float32 RGB, 0 to 255.
        image, alpha: (h, w, 3) and (h, w) uint8.
        quad: (4, 2), where its corners are in the scene, in pixels.
        glossy: laminated, so that lamps may be mirrored in it.

    Returns:
        (H, W) uint8, 1 where the thing covers the pixel's centre.
    """
    height, width = scene.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    margin = 30  # for its shadow
    low = np.floor(np.maximum(quad.min(0) - margin, 0)).astype(int)
    high = np.ceil(np.minimum(quad.max(0) + margin, (width, height))).astype(int)
    part = scene[low[1] : high[1], low[0] : high[0]]
    if min(part.shape[:2]) < 1:
        return mask
    size = (part.shape[1], part.shape[0])
    seen = warp(image, quad - low, size).astype(np.float32)
    cover = warp(alpha, quad - low, size)
    soft = (cover.astype(np.float32) / 255)[..., None]
    around = float(part.mean())
    if happens(rng, 0.85):
        shift = np.float32([[1, 0, rng.uniform(-8, 8)], [0, 1, rng.uniform(-2, 9)]])
        shade = cv2.GaussianBlur(cv2.warpAffine(soft, shift, size), (0, 0), rng.uniform(2, 9))[..., None]
        part *= 1 - rng.uniform(0.25, 0.65) * shade
    # a thing on a dark ground stands in little light itself
    gain = np.clip(0.7 + 0.3 * around / 128, 0.76, 1.05) * rng.uniform(0.9, 1.1)
    across = np.linspace(rng.uniform(0.85, 1.05), rng.uniform(0.9, 1.12), size[0], dtype=np.float32)[None, :, None]
    down = np.linspace(rng.uniform(0.9, 1.06), rng.uniform(0.85, 1.06), size[1], dtype=np.float32)[:, None, None]
    seen *= gain * across * down
    if glossy and happens(rng, 0.4):
        seen += _glare(rng, size, quad - low)
    part[:] = part * (1 - soft) + np.clip(seen, 0, 255) * soft
    mask[low[1] : high[1], low[0] : high[0]] = cover > 127
    return mask


def _glare(rng, size, quad) -> np.ndarray:
    """(h, w, 1) of white to add: a lamp, or a window's bar, mirrored in foil."""
    spot = np.zeros((size[1], size[0]), np.float32)
    weights = rng.dirichlet([1, 1, 1, 1])
    center = tuple(int(c) for c in weights @ quad)
    extent = np.linalg.norm(quad[1] - quad[0])
    axes = (int(extent * rng.uniform(0.06, 0.3)) + 2, int(extent * rng.uniform(0.03, 0.12)) + 2)
    cv2.ellipse(spot, center, axes, rng.uniform(0, 180), 0, 360, 1, -1)
    spot = cv2.GaussianBlur(spot, (0, 0), float(rng.uniform(0.02, 0.08) * extent + 1))
    return (255 * rng.uniform(0.35, 1.0) * spot)[..., None]


def expose(rng: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 -> uint8: uneven light, exposure, colour cast, blur and noise of a telephone's camera."""
    height, width = scene.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.32) * (x * np.cos(angle) + y * np.sin(angle)) - rng.uniform(0, 0.16) * (x**2 + y**2)
    cast = np.array([rng.uniform(0.9, 1.08), 1, rng.uniform(0.84, 1.1)], np.float32) * rng.uniform(0.72, 1.18)
    scene = scene * (light.astype(np.float32)[..., None] * cast.astype(np.float32))
    blur = pick(rng, ["none", "focus", "motion"], [0.35, 0.42, 0.23])
    strength = max(width, height) / 640
    if blur == "focus":
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.4, 1.5) * strength)
    elif blur == "motion":
        scene = cv2.filter2D(scene, -1, _streak(rng, int(rng.integers(3, 9) * strength)))
    scene += rng.uniform(1, 7) * rng.standard_normal((height, width, 1), dtype=np.float32)
    if happens(rng, 0.5):  # colour noise comes in blotches: sensors have a quarter of the pixels for it
        blotches = rng.standard_normal(((height + 1) // 2, (width + 1) // 2, 3), dtype=np.float32)
        scene += rng.uniform(0.5, 5) * cv2.resize(blotches, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(scene, 0, 255).astype(np.uint8)


def _streak(rng, length: int) -> np.ndarray:
    """A kernel that smears along a line of `length` pixels."""
    length = max(3, length) | 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    tip = np.array([np.cos(angle), np.sin(angle)]) * half
    ends = [tuple(int(round(c)) for c in half + sign * tip) for sign in (-1, 1)]
    cv2.line(kernel, *ends, 1.0, 1)
    return kernel / kernel.sum()
