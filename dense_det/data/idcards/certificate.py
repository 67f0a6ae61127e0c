"""Certificates: a frame, a title, a name, a few lines, signatures and a seal."""

import cv2
import numpy as np

from dense_det.data.idcards.chance import happens, pick
from dense_det.data.idcards.marks import draw_seal, draw_signature
from dense_det.data.idcards.person import Person
from dense_det.data.idcards.security import security_ground
from dense_det.data.idcards.sheet import Sheet
from dense_det.data.idcards.template import Template
from dense_det.data.idcards.text import WORDS


def draw_certificate(rng: np.random.Generator, template: Template, person: Person, size) -> np.ndarray:
    """(height, width, 3) RGB of a certificate of `size` (width, height)."""
    width, height = size
    ground = np.full((height, width, 3), pick(rng, [(255, 254, 250), (250, 246, 232), (246, 248, 250)]), np.uint8)
    if happens(rng, 0.3):
        ground = cv2.addWeighted(ground, 0.5, security_ground(rng, template, size), 0.5, 0)
    sheet = Sheet(ground, template.family)
    dark, ink = template.color(0.75, 0.45), (35, 35, 40)
    _draw_frame(sheet, template, dark)
    words = WORDS[template.locale]
    x0, y, x1, _ = template.layout.fields[0]
    middle, limit = (x0 + x1) / 2, x1 - x0
    lines = [(words.certificate, 0.085, True, dark), (words.certifies, 0.036, False, ink),
             (f"{person.given} {person.surname}", 0.075, happens(rng, 0.5), ink)]  # fmt: skip
    for text, letters, bold, fill in lines:
        sheet.text(middle, y, text, letters, fill, bold, "ma", limit)
        y += 1.7 * letters
    sheet.line([(middle - 0.25 * limit, y - 0.03), (middle + 0.25 * limit, y - 0.03)], dark, 0.003)
    for text in [person.job, f"{person.company}, {person.place}", person.birth][: int(rng.integers(2, 4))]:
        sheet.text(middle, y, text, 0.03, ink, anchor="ma", limit=limit)
        y += 0.05
    seal = template.layout.mark
    draw_seal(rng, sheet, seal, template.color(0.8, 0.7, pick(rng, [0.0, 0.05])))
    for left in (x0, x1 - 0.24):
        draw_signature(rng, sheet, (left, 0.74, left + 0.24, 0.83))
        sheet.line([(left, 0.83), (left + 0.24, 0.83)], ink, 0.003)
        sheet.text(left + 0.12, 0.84, person.place, 0.024, ink, anchor="ma", limit=0.24)
    return sheet.array()


def _draw_frame(sheet: Sheet, template: Template, color) -> None:
    pale = template.color(0.35, 0.8)
    kind = template.layout.header
    if kind == "double":
        sheet.box((0.03, 0.042, 0.97, 0.958), outline=color, line=0.012)
        sheet.box((0.045, 0.063, 0.955, 0.937), outline=color, line=0.003)
    elif kind == "thick":
        sheet.box((0, 0, 1, 1), outline=color, line=0.05)
        sheet.box((0.045, 0.063, 0.955, 0.937), outline=pale, line=0.008)
    elif kind == "corners":
        for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
            dx, dy = 0.16 if x == 0 else -0.16, 0.22 if y == 0 else -0.22
            points = [(x, y), (x + dx, y), (x, y + dy)]
            sheet.pen.polygon([(px * sheet.width, py * sheet.height) for px, py in points], fill=color)
        sheet.box((0.03, 0.042, 0.97, 0.958), outline=pale, line=0.005)
    elif kind == "waves":
        x = np.linspace(0.03, 0.97, 150)
        for phase in (0, np.pi):
            y = 0.012 * np.sin(60 * x + phase)
            for edge in (0.05, 0.95):
                sheet.line(zip(x, edge + y), color, 0.004)
                sheet.line(zip((edge + 0.7 * y).tolist(), 0.05 + 0.9 * (x - 0.03) / 0.94), color, 0.004)
    else:
        sheet.box((0, 0, 0.17, 1), fill=color)
        sheet.box((0.17, 0, 0.18, 1), fill=pale)
