"""What stands on documents beside text: chips, codes that cannot be read, signatures, seals."""

import cv2
import numpy as np

from dense_det.data.idcards.sheet import Sheet
from dense_det.data.idcards.template import Box


def draw_chip(sheet: Sheet, box: Box) -> None:
    """The contacts of a chip card, gold, in the upper left of `box`."""
    x0, y0, x1, y1 = box
    height = min(y1 - y0, 0.2)
    width = height * 1.25 * sheet.height / sheet.width
    x1, y1 = x0 + width, y0 + height
    brown = (120, 92, 36)
    sheet.box((x0, y0, x1, y1), fill=(214, 178, 92), outline=brown, radius=0.02)
    for share in (0.33, 0.67):
        y = y0 + share * height
        sheet.line([(x0, y), (x0 + 0.33 * width, y)], brown)
        sheet.line([(x1 - 0.33 * width, y), (x1, y)], brown)
    sheet.box((x0 + 0.33 * width, y0 + 0.2 * height, x1 - 0.33 * width, y1 - 0.2 * height), outline=brown, radius=0.01)


def draw_qr(rng: np.random.Generator, sheet: Sheet, box: Box) -> None:
    """A square of random modules with the three finder patterns of a QR code, centred in `box`."""
    modules = np.where(rng.random((25, 25)) < 0.5, 0, 255).astype(np.uint8)
    finder = np.full((8, 8), 255, np.uint8)
    finder[:7, :7] = 0
    finder[1:6, 1:6] = 255
    finder[2:5, 2:5] = 0
    modules[:8, :8], modules[:8, -8:], modules[-8:, :8] = finder, finder[:, ::-1], finder[::-1]
    x0, y0, x1, y1 = sheet.pixels(box)
    side = max(25, min(x1 - x0, y1 - y0))
    picture = cv2.resize(np.pad(modules, 2, constant_values=255), (side, side), interpolation=cv2.INTER_AREA)
    left = (x0 + x1 - side) // 2
    sheet.paste(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), (left / sheet.width, y0 / sheet.height, 1, 1))


def draw_bars(rng: np.random.Generator, sheet: Sheet, box: Box) -> None:
    """A one-dimensional bar code that fills `box`."""
    x0, y0, x1, y1 = sheet.pixels(box)
    widths = rng.integers(1, 5, 70)
    row = np.repeat(np.arange(70) % 2 * 255, widths).astype(np.uint8)
    bars = cv2.resize(row[None], (max(8, x1 - x0), max(4, y1 - y0)), interpolation=cv2.INTER_AREA)
    sheet.paste(cv2.cvtColor(bars, cv2.COLOR_GRAY2RGB), box)


def draw_signature(rng: np.random.Generator, sheet: Sheet, box: Box) -> None:
    """A quick pen: loops that run to the right and flatten out, with a stroke beneath at times."""
    x0, y0, x1, y1 = box
    num_points = 240
    along = np.linspace(0, 1, num_points)
    knots = int(rng.integers(6, 12))  # each letter has its own height, width and slant
    swing = np.interp(along, np.linspace(0, 1, knots), rng.uniform(0.03, 0.34, knots) * np.linspace(1.3, 0.6, knots))
    pace = np.interp(along, np.linspace(0, 1, knots), rng.uniform(0.3, 1.7, knots))
    phase = 2 * np.pi * rng.uniform(4, 9) * np.cumsum(pace) / pace.sum()
    x = 0.05 + 0.85 * along + rng.uniform(0.02, 0.09) * np.cos(phase + rng.uniform(0, 2))
    y = 0.55 + rng.uniform(-0.2, 0.1) * along + swing * np.sin(phase)
    ink = [(20, 24, 90), (15, 15, 20), (25, 40, 130)][int(rng.integers(3))]
    points = [(x0 + px * (x1 - x0), y0 + py * (y1 - y0)) for px, py in zip(x, y)]
    sheet.line(points, ink, rng.uniform(0.004, 0.009))
    if rng.random() < 0.4:
        sheet.line([(x0 + 0.1 * (x1 - x0), y1 - 0.1 * (y1 - y0)), (x1, y1 - 0.25 * (y1 - y0))], ink, 0.005)


def draw_seal(rng: np.random.Generator, sheet: Sheet, box: Box, color) -> None:
    """A serrated disc with rings and a star, or a stamp of rings alone, centred in `box`."""
    x0, y0, x1, y1 = sheet.pixels(box)
    cx, cy, radius = (x0 + x1) / 2, (y0 + y1) / 2, min(x1 - x0, y1 - y0) / 2
    angles = np.arange(96) * 2 * np.pi / 96

    def ring(radii):
        return [(cx + r * np.cos(a), cy + r * np.sin(a)) for r, a in zip(np.broadcast_to(radii, 96), angles)]

    stamp = rng.random() < 0.35
    white = (250, 250, 245)
    if not stamp:
        sheet.pen.polygon(ring(radius * np.where(np.arange(96) % 4 < 2, 1.0, 0.9)), fill=color)
    line = color if stamp else white
    for share in (0.96, 0.74) if stamp else (0.78, 0.7):
        sheet.pen.line(ring(radius * share) + [ring(radius * share)[0]], fill=line, width=max(1, round(radius * 0.05)))
    star = [(cx + radius * s * np.sin(k * np.pi / 5), cy - radius * s * np.cos(k * np.pi / 5))
            for k, s in zip(range(10), [0.5, 0.22] * 5)]  # fmt: skip
    sheet.pen.polygon(star, fill=line)
