"""Light on a scene, and what a telephone makes of it."""

import cv2
import numpy as np


def cast_shadow(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`image`, float, darker beside a document of which `mask` (H, W) in [0, 1] is the place."""
    shift = rng.uniform(-12, 12, 2)
    blurred = cv2.GaussianBlur(mask, (0, 0), rng.uniform(3, 10))
    moved = cv2.warpAffine(blurred, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), mask.shape[::-1])
    return image * (1 - rng.uniform(0.2, 0.6) * moved[..., None])


def glare(rng: np.random.Generator, quad: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """(H, W, 1) what a lamp adds to a shiny document: a soft ellipse, up to white."""
    x, y = quad.min(0) + rng.random(2) * np.ptp(quad, axis=0)
    extent = np.ptp(quad, axis=0) * rng.uniform(0.05, 0.25, 2)
    spot = np.zeros((frame[1], frame[0]), np.float32)
    axes = (max(int(extent[0]), 2), max(int(extent[1]), 2))
    cv2.ellipse(spot, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    return cv2.GaussianBlur(spot, (0, 0), max(extent.max() / 2, 2))[..., None] * rng.uniform(60, 220)


def light_scene(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A gradient of light over the picture, a shadow's edge across it, a colour cast; float (H, W, 3)."""
    height, width = image.shape[:2]
    x, y = np.linspace(-1, 1, width)[None, :, None], np.linspace(-1, 1, height)[:, None, None]
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
    image = image * (1 + strength * (np.cos(angle) * x + np.sin(angle) * y))
    if rng.random() < 0.3:
        angle, place = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
        side = (np.cos(angle) * x + np.sin(angle) * y - place) / rng.uniform(0.03, 0.3)
        image = image * (1 - rng.uniform(0.15, 0.5) / (1 + np.exp(-side.clip(-30, 30))))
    return image * rng.uniform(0.7, 1.15) * rng.uniform(0.92, 1.08, 3)


def take_picture(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur out of focus or by a moving hand, and noise; uint8."""
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.6))
    elif rng.random() < 0.2:
        length = int(rng.integers(3, 9))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        reach = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
        middle = (length - 1) / 2
        ends = [tuple(int(round(middle + sign * r)) for r in reach) for sign in (-1, 1)]
        cv2.line(kernel, *ends, 1.0, 1)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    grain = rng.normal(0, 1, image.shape[:2] + (1,)) * rng.uniform(0, 7)
    colour = rng.normal(0, rng.uniform(0, 2), image.shape)
    return (image + grain + colour).clip(0, 255).astype(np.uint8)
