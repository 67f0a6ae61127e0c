"""Flat things that are no documents: paper, photo prints, books, screens, bank cards, envelopes."""

import cv2
import numpy as np

from dense_det.data.idcards.chance import pick
from dense_det.data.idcards.document import rounded_alpha
from dense_det.data.idcards.fonts import Family
from dense_det.data.idcards.marks import draw_chip
from dense_det.data.idcards.photos import Photo, crop_photo
from dense_det.data.idcards.sheet import Sheet


def draw_distractor(rng: np.random.Generator, family: Family, photos: list[Photo], longer: int):
    """(name, image (h, w, 3) RGB, alpha (h, w) uint8) of one thing, its longer side of `longer` pixels."""
    name = pick(rng, list(_KINDS))
    draw, aspects, corner = _KINDS[name]
    aspect = pick(rng, aspects)
    size = (longer, round(longer / aspect)) if aspect > 1 else (round(longer * aspect), longer)
    color = rng.uniform(20, 240, 3)
    ground = np.full((size[1], size[0], 3), color.astype(np.uint8))
    image = draw(rng, Sheet(ground, family), photos, tuple(int(c) for c in color))
    return name, image, rounded_alpha(image.shape[:2], corner)


def _paper(rng, sheet, photos, color):
    tone = pick(rng, [(250, 236, 120), (250, 170, 190), (160, 220, 240), color])
    sheet.box((0, 0, 1, 1), fill=tone)
    if rng.random() < 0.4:
        for row in range(1, 12):  # ruled, not written on
            sheet.line([(0, row / 12), (1, row / 12)], (150, 170, 200), 0.002)
    return sheet.array()


def _print(rng, sheet, photos, color):
    border = rng.uniform(0, 0.06)
    sheet.box((0, 0, 1, 1), fill=(250, 250, 248))
    box = (border, border, 1 - border, 1 - border)
    x0, y0, x1, y1 = sheet.pixels(box)
    sheet.paste(crop_photo(rng, pick(rng, photos), (x1 - x0, y1 - y0)), box)
    return sheet.array()


def _book(rng, sheet, photos, color):
    ink = (245, 240, 225) if sum(color) < 380 else (30, 30, 40)
    for row, word in enumerate(pick(rng, _TITLES).split()):
        sheet.text(0.5, 0.1 + 0.13 * row, word, 0.1, ink, True, "ma", 0.86)
    if rng.random() < 0.6:
        box = (0.1, 0.5, 0.9, 0.85)
        x0, y0, x1, y1 = sheet.pixels(box)
        sheet.paste(crop_photo(rng, pick(rng, photos), (x1 - x0, y1 - y0)), box)
    sheet.box((0, 0, 0.04, 1), fill=tuple(int(0.6 * c) for c in color))
    return sheet.array()


def _screen(rng, sheet, photos, color):
    sheet.box((0, 0, 1, 1), fill=(16, 16, 18))
    box = (0.05, 0.03, 0.95, 0.97)
    x0, y0, x1, y1 = sheet.pixels(box)
    view = crop_photo(rng, pick(rng, photos), (x1 - x0, y1 - y0))
    sheet.paste(cv2.GaussianBlur(view, (0, 0), 6), box)
    for row in range(4):
        for column in range(4):
            x, y = 0.12 + 0.2 * column, 0.2 + 0.16 * row
            fill = tuple(int(c) for c in rng.uniform(60, 250, 3))
            sheet.box((x, y, x + 0.15, y + 0.15 * sheet.width / sheet.height), fill=fill, radius=0.02)
    return sheet.array()


def _bank_card(rng, sheet, photos, color):
    ink = (240, 240, 240) if sum(color) < 380 else (40, 40, 50)
    ramp = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.8, 1.2), sheet.width)[None, :, None]
    sheet.paste((sheet.array() * ramp).clip(0, 255).astype(np.uint8), (0, 0, 1, 1))
    draw_chip(sheet, (0.1, 0.34, 0.3, 0.56))
    number = "  ".join(f"{int(rng.integers(10000)):04d}" for _ in range(4))
    sheet.text(0.08, 0.62, number, 0.1, ink, limit=0.84)
    for step in (0, 0.08):
        sheet.pen.ellipse(
            sheet.pixels((0.74 + step, 0.76, 0.86 + step, 0.95)), fill=tuple(int(c) for c in rng.uniform(60, 250, 3))
        )
    return sheet.array()


def _envelope(rng, sheet, photos, color):
    tone = pick(rng, [(245, 243, 238), (206, 172, 124), (226, 220, 205)])
    sheet.box((0, 0, 1, 1), fill=tone)
    dark = tuple(int(0.85 * c) for c in tone)
    if rng.random() < 0.5:
        sheet.line([(0, 0), (0.5, 0.55), (1, 0)], dark, 0.01)
    else:
        sheet.box((0.84, 0.08, 0.95, 0.3), fill=tuple(int(c) for c in rng.uniform(60, 220, 3)), outline=dark)
        sheet.box((0.45, 0.55, 0.88, 0.85), fill=(225, 232, 240), outline=dark)
    return sheet.array()


_TITLES = ("The Silent Orchard", "Winter Algebra", "Nine Rivers", "A Field of Clocks", "Salt and Thunder")
# name -> how it is drawn, width over height of its forms, rounding of its corners
_KINDS = {
    "paper": (_paper, (1.0, 1.41, 0.71), 0.0),
    "print": (_print, (1.5, 0.67, 1.33), 0.0),
    "book": (_book, (0.65, 0.72), 0.01),
    "screen": (_screen, (0.48, 2.05), 0.1),
    "bank card": (_bank_card, (85.6 / 54,), 0.06),
    "envelope": (_envelope, (1.41, 2.0), 0.0),
}
