"""What is printed beside text: guilloches, bar codes, chips, seals, signatures."""

import cv2
import numpy as np
from PIL import ImageDraw

from dense_det.data.idcards.design import Design


def draw_background(rng: np.random.Generator, design: Design) -> np.ndarray:
    """(H, W, 3) RGB uint8: a gradient of the design's papers under fine waves, as security print has them."""
    width, height = design.size
    across, down = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
    slope = rng.random()
    mix = slope * across + (1 - slope) * down
    paper = (np.array(design.paper) * (1 - mix) + np.array(design.second_paper) * mix).astype(np.uint8)
    lines = paper.copy()
    xs = np.arange(0, width + 4, 4)
    wave, lift, phase = rng.uniform(1, 6), rng.uniform(0.03, 0.15) * height, rng.uniform(0, 6)
    for k in range(int(rng.integers(14, 30))):
        turn = 2 * np.pi * wave * xs / width + phase + 0.2 * k
        ys = height * k / 24 + lift * np.sin(turn) + 0.4 * lift * np.sin(2.7 * turn)
        cv2.polylines(lines, [np.stack([xs, ys], 1).astype(np.int32)], False, design.accent, 1, cv2.LINE_AA)
    if rng.random() < 0.6:
        _rosette(rng, lines, design)
    return cv2.addWeighted(paper, 0.55, lines, 0.45, 0)


def _rosette(rng: np.random.Generator, image: np.ndarray, design: Design) -> None:
    width, height = design.size
    centre = np.array([rng.uniform(0.3, 0.9) * width, rng.uniform(0.3, 0.8) * height])
    angle = np.linspace(0, 2 * np.pi * 9, 600)
    for turn in range(3):
        radius = rng.uniform(0.15, 0.4) * height * (0.6 + 0.4 * np.cos(angle * (7 + turn) / 9))
        points = centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        cv2.polylines(image, [points.astype(np.int32)], True, design.accent, 1, cv2.LINE_AA)


def draw_bars(pen: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[float, float, float, float]) -> None:
    """A bar code that fills an xyxy box."""
    x0, y0, x1, y1 = box
    pen.rectangle(box, fill=(255, 255, 255))
    x = x0 + 4
    while x < x1 - 4:
        wide = int(rng.integers(1, 5))
        if rng.random() < 0.5:
            pen.rectangle((x, y0 + 3, max(min(x + wide, x1 - 4) - 1, x), y1 - 3), fill=(15, 15, 15))
        x += wide


def draw_matrix_code(pen: ImageDraw.ImageDraw, rng: np.random.Generator, x: float, y: float, side: int) -> None:
    """A square of 25 x 25 random modules with the three finders of a QR code."""
    modules = rng.random((25, 25)) < 0.5
    ring = np.pad(np.pad(np.ones((3, 3), bool), 1), 1, constant_values=True)
    for top, left in ((0, 0), (0, 17), (17, 0)):
        modules[top : top + 8, left : left + 8] = False
        modules[top + (top > 0) : top + 7 + (top > 0), left + (left > 0) : left + 7 + (left > 0)] = ring
    cell = side / 27
    pen.rectangle((x, y, x + side, y + side), fill=(255, 255, 255))
    for row, column in zip(*np.nonzero(modules), strict=True):
        left, top = x + (column + 1) * cell, y + (row + 1) * cell
        pen.rectangle((left, top, left + cell, top + cell), fill=(15, 15, 15))


def draw_chip(pen: ImageDraw.ImageDraw, x: float, y: float, size: int) -> None:
    """The gold contacts of a smart card."""
    wide, tall = size, 0.76 * size
    pen.rounded_rectangle((x, y, x + wide, y + tall), size // 8, fill=(212, 175, 85), outline=(120, 90, 30), width=2)
    for share in (0.33, 0.66):
        pen.line((x, y + share * tall, x + wide, y + share * tall), fill=(120, 90, 30), width=2)
    pen.line((x + wide / 2, y, x + wide / 2, y + tall), fill=(120, 90, 30), width=2)


def draw_seal(pen: ImageDraw.ImageDraw, design: Design, x: float, y: float, radius: float) -> None:
    """A notched seal around (x, y)."""
    angle = np.arange(48) * np.pi / 24
    reach = radius * np.where(np.arange(48) % 2, 1, 0.87)
    points = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], 1)
    pen.polygon([tuple(point) for point in points], fill=design.accent)
    for share in (0.72, 0.6):
        inner = share * radius
        pen.ellipse((x - inner, y - inner, x + inner, y + inner), outline=(255, 255, 255), width=2)


def draw_signature(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[float, float, float, float], ink=(20, 25, 90)
) -> None:
    """Strokes of a pen from left to right through an xyxy box."""
    x0, y0, x1, y1 = box
    count = int(rng.integers(14, 26))
    x = np.linspace(x0, x1, count) + rng.normal(0, (x1 - x0) / count / 1.5, count)
    fade = np.linspace(1, 0.45, count)
    y = (y0 + y1) / 2 + fade * rng.uniform(-0.5, 0.5, count) * (y1 - y0)
    at = np.linspace(0, count - 1, count * 8)
    # smooth by cubic interpolation of both coordinates
    xs = cv2.resize(x.astype(np.float32)[None], (len(at), 1), interpolation=cv2.INTER_CUBIC)[0]
    ys = cv2.resize(y.astype(np.float32)[None], (len(at), 1), interpolation=cv2.INTER_CUBIC)[0]
    pen.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), fill=ink, width=2, joint="curve")
