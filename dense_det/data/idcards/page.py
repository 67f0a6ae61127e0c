"""Document pages: real ones where there are some, else pages made of lines of text, tables and figures."""

import functools
from dataclasses import asdict

import cv2
import numpy as np

from dense_det.data.idcards.chance import happens, pick
from dense_det.data.idcards.person import Person
from dense_det.data.idcards.photos import read_picture
from dense_det.data.idcards.sheet import Sheet
from dense_det.data.idcards.template import Template
from dense_det.data.idcards.text import WORDS

_INK = (30, 30, 34)


def draw_page(rng: np.random.Generator, template: Template, person: Person, size) -> np.ndarray:
    """(height, width, 3) RGB of an invented page of `size` (width, height)."""
    width, height = size
    sheet = Sheet(np.full((height, width, 3), pick(rng, [255, 252, 247]), np.uint8), template.family)
    words = WORDS[template.locale]
    if template.layout.header == "letter":
        sheet.text(0.13, 0.06, person.company, 0.022, template.color(0.8, 0.4), True, limit=0.7)
        sheet.line([(0.13, 0.092), (0.87, 0.092)], template.color(0.8, 0.4), 0.002)
        for row, text in enumerate((f"{person.given} {person.surname}", person.address, person.place)):
            sheet.text(0.13, 0.13 + 0.022 * row, text, 0.014, _INK, limit=0.5)
    else:
        sheet.text(0.5, 0.05, f"{words.certificate}: {person.job}", 0.028, _INK, True, "ma", 0.84)
    vocabulary = " ".join([*asdict(words).values(), person.company, person.address, person.job]).split()
    for column in template.layout.fields:
        _fill_column(rng, sheet, template, column, vocabulary)
    sheet.text(0.5, 0.965, str(int(rng.integers(1, 400))), 0.012, _INK, anchor="ma")
    return sheet.array()


def _fill_column(rng, sheet: Sheet, template: Template, column, vocabulary) -> None:
    x0, y, x1, y1 = column
    letters = rng.uniform(0.0105, 0.014)
    num_words = int((x1 - x0) / (4.5 * letters)) + 1
    while y < y1 - 0.05:
        part = pick(rng, ["paragraph", "heading", "table", "figure"], [0.62, 0.16, 0.12, 0.1])
        high = min(rng.uniform(0.1, 0.2), y1 - y)
        if part == "heading":
            sheet.text(
                x0, y, " ".join(pick(rng, vocabulary) for _ in range(3)), 1.35 * letters, _INK, True, limit=x1 - x0
            )
            y += 2.4 * letters
        elif part == "paragraph":
            for row in range(int(rng.integers(3, 9))):
                if y > y1 - letters:
                    return
                line = " ".join(pick(rng, vocabulary) for _ in range(num_words))
                sheet.text(x0 + (0.02 if row == 0 else 0), y, line, letters, _INK, limit=(x1 - x0))
                y += 1.45 * letters
            y += letters
        elif part == "table":
            rows = max(2, int(high / (1.9 * letters)))
            for row in range(rows + 1):
                line = y + row * 1.9 * letters
                sheet.line([(x0, line), (x1, line)], _INK, 0.0012)
                for cell in range(4 if row < rows else 0):
                    x = x0 + (x1 - x0) * cell / 4 + 0.005
                    sheet.text(
                        x, line + 0.3 * letters, pick(rng, vocabulary), letters, _INK, row == 0, limit=(x1 - x0) / 4.4
                    )
            y += (rows + 1) * 1.9 * letters + letters
        else:
            sheet.box((x0, y, x1, y + high), outline=_INK, line=0.001)
            along = np.linspace(0.02, 0.98, 30)
            for _ in range(int(rng.integers(1, 4))):
                values = np.clip(0.5 + np.cumsum(rng.normal(0, 0.1, 30)), 0.05, 0.95)
                points = [(x0 + (x1 - x0) * a, y + high * v) for a, v in zip(along, values)]
                sheet.line(points, template.color(0.8, 0.6, rng.random()), 0.002)
            y += high + 2 * letters


def real_page(rng: np.random.Generator, path: str, longer: int) -> np.ndarray:
    """(height, width, 3) RGB of a page's picture, its longer side `longer` pixels, on whiter or yellower paper."""
    page = _read(path)
    scale = longer / max(page.shape[:2])
    if scale < 1:
        page = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    paper = np.array([1, rng.uniform(0.96, 1), rng.uniform(0.88, 1)]) if happens(rng, 0.5) else np.ones(3)
    return (page * paper).astype(np.uint8)


_read = functools.lru_cache(64)(read_picture)
