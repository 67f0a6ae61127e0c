"""What lies around and is no document, and fingers that hold one."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from dense_det.data.idcards.camera import SUPERSAMPLED
from dense_det.data.idcards.design import draw_hue

KINDS = ("book", "telephone", "note", "banknote")


def draw_clutter(rng: np.random.Generator, split: str) -> tuple[np.ndarray, float]:
    """A flat thing that is no document, (H, W, 3) RGB uint8, and the radius of its corners."""
    kind = KINDS[rng.integers(len(KINDS))]
    color = _color(rng, split)
    if kind == "telephone":
        image = Image.new("RGB", (240, 480), (20, 20, 22))
        ImageDraw.Draw(image).rectangle(
            (14, 40, 226, 440), fill=_color(rng, split) if rng.random() < 0.5 else (8, 8, 10)
        )
        return np.asarray(image), 34.0
    if kind == "note":
        image = Image.new("RGB", (300, 300), color)
        pen = ImageDraw.Draw(image)
        for y in range(50, 250, 36):
            pen.line((30, y, int(rng.integers(120, 270)), y + int(rng.integers(-6, 6))), fill=(40, 40, 90), width=4)
        return np.asarray(image), 0.0
    if kind == "banknote":
        image = Image.new("RGB", (520, 250), color)
        pen = ImageDraw.Draw(image)
        for k in range(0, 520, 9):
            pen.arc((k - 200, -120, k + 200, 370), 0, 360, fill=_color(rng, split), width=1)
        pen.ellipse((330, 40, 480, 210), fill=_color(rng, split))
        return np.asarray(image), 0.0
    image = Image.new("RGB", (360, 500), color)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 22, 500), fill=tuple(int(0.6 * c) for c in color))
    pen.rectangle((60, 70, 320, 130), fill=_color(rng, split))
    pen.ellipse((110, 200, 270, 360), fill=_color(rng, split))
    return np.asarray(image), 4.0


def draw_finger(rng: np.random.Generator, quad: np.ndarray, frame: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A thumb over an edge of a document.

    Returns:
        its mask (H, W) uint8 at SUPERSAMPLED times the picture's size, and (H, W, 3) float how it looks.
    """
    side = int(rng.integers(4))
    start, end = quad[side], quad[(side + 1) % 4]
    tip_at = start + rng.uniform(0.2, 0.8) * (end - start)
    inwards = quad.mean(0) - tip_at
    inwards = inwards / max(np.linalg.norm(inwards), 1e-6)
    size = np.sqrt(cv2.contourArea(quad.astype(np.float32)))
    thickness = size * rng.uniform(0.18, 0.27)  # across
    tip = tip_at + inwards * size * rng.uniform(0.0, 0.08)
    base = tip_at - inwards * size * rng.uniform(0.6, 0.9) + rng.normal(0, 0.15 * size, 2)
    mask = np.zeros((frame[1] * SUPERSAMPLED, frame[0] * SUPERSAMPLED), np.uint8)
    ends = [tuple(np.round(point * SUPERSAMPLED).astype(int).tolist()) for point in (tip, base)]
    cv2.line(mask, *ends, 1, max(int(thickness * SUPERSAMPLED), 2), cv2.LINE_8)
    skin = np.array([rng.uniform(120, 235), 0, 0])
    skin[1:] = skin[0] * np.array([rng.uniform(0.68, 0.8), rng.uniform(0.5, 0.68)])
    # round: dark towards its sides
    inside = cv2.resize(mask, frame, interpolation=cv2.INTER_AREA)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3) / max(thickness / 2, 1)
    look = skin * (0.62 + 0.38 * np.sqrt(depth.clip(0, 1)))[..., None]
    nail = tip - inwards * thickness * 0.1
    angle = float(np.degrees(np.arctan2(inwards[1], inwards[0])))
    axes = (max(int(thickness * 0.32), 1), max(int(thickness * 0.24), 1))
    cv2.ellipse(look, tuple(int(v) for v in nail), axes, angle, 0, 360, (skin * 1.12 + 8).tolist(), -1, cv2.LINE_AA)
    return mask, look


def _color(rng: np.random.Generator, split: str) -> tuple[int, int, int]:
    hsv = np.uint8([[[draw_hue(rng, split) * 179, rng.integers(40, 220), rng.integers(60, 240)]]])
    return tuple(int(channel) for channel in cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0])
