"""Drawing a document flat, as a scanner would see it."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from dense_det.data.idcards.design import Design
from dense_det.data.idcards.fonts import MONOSPACE, fit_font, load_font
from dense_det.data.idcards.mrz import card_lines, passport_lines
from dense_det.data.idcards.people import Person, draw_portrait, invent_person
from dense_det.data.idcards.printing import (
    draw_background,
    draw_bars,
    draw_chip,
    draw_matrix_code,
    draw_seal,
    draw_signature,
)
from dense_det.data.idcards.wording import LEADS, TITLES, WORDS, field_rows, sentence


def draw_document(rng: np.random.Generator, design: Design) -> np.ndarray:
    """(H, W, 3) RGB uint8 of a document of this design, made out to a new person."""
    return DRAWERS[design.kind](rng, design, invent_person(rng, design.split))


def _draw_card(rng: np.random.Generator, design: Design, person: Person) -> np.ndarray:
    width, height = design.size
    image, pen = _canvas(draw_background(rng, design))
    with_zone = rng.random() < 0.3
    top = _draw_header(pen, rng, design)
    portrait = _place_portrait(image, pen, rng, design, person, top, int(height * (0.44 if with_zone else 0.52)))
    left, right = (portrait[2] + 20, width - 20) if portrait[0] < width / 2 else (20, portrait[0] - 20)
    bottom = height * (0.76 if with_zone else 0.95)
    _draw_fields(pen, rng, design, person, (left, top + 12, right, bottom), size=round(height * 0.05))
    if with_zone:
        _draw_zone(pen, _travel_lines(card_lines, person), (16, height * 0.78, width - 16, height - 10))
    else:
        if rng.random() < 0.7:
            foot = portrait[3]
            draw_signature(pen, rng, (portrait[0], foot + 6, portrait[2], min(foot + 50, height - 8)))
        if rng.random() < 0.4:
            side = int(height * 0.2)
            draw_matrix_code(pen, rng, right - side, height - side - 14, side)
        if rng.random() < 0.35:
            draw_chip(pen, right - 70 - rng.uniform(0, 60), height * rng.uniform(0.3, 0.5), 58)
    return np.asarray(image)


def _draw_passport(rng: np.random.Generator, design: Design, person: Person) -> np.ndarray:
    width, height = design.size
    image, pen = _canvas(draw_background(rng, design))
    top = _draw_header(pen, rng, design, share=0.11)
    portrait = _place_portrait(image, pen, rng, design, person, top, int(height * 0.48))
    left, right = (portrait[2] + 20, width - 24) if portrait[0] < width / 2 else (24, portrait[0] - 20)
    _draw_fields(pen, rng, design, person, (left, top + 10, right, height * 0.76), size=round(height * 0.038))
    pen.rectangle((0, height * 0.8, width, height), fill=(250, 250, 247))
    _draw_zone(pen, _travel_lines(passport_lines, person), (20, height * 0.82, width - 20, height - 14))
    return np.asarray(image)


def _draw_badge(rng: np.random.Generator, design: Design, person: Person) -> np.ndarray:
    width, height = design.size
    image, pen = _canvas(np.full((height, width, 3), design.paper, np.uint8))
    band = height * (0.16 + 0.02 * design.layout)
    pen.rectangle((0, 0, width, band), fill=design.dark)
    pen.rounded_rectangle((width * 0.4, 12, width * 0.6, 26), 7, fill=(235, 235, 235))  # the slot of the lanyard
    _centre(pen, person.company, band * 0.42, design.bold, 34, (255, 255, 255), width)
    _centre(pen, str(rng.choice(TITLES["badge"][design.split])), band * 0.7, design.regular, 24, (255, 255, 255), width)
    wide, tall = int(width * 0.56), int(width * 0.68)
    x, y = (width - wide) // 2, int(band + 22)
    image.paste(Image.fromarray(draw_portrait(rng, person.face, wide, tall)), (x, y))
    y += tall + 14
    for text, font, size in (
        (f"{person.given} {person.surname}", design.bold, 36),
        (person.job, design.regular, 22),
        (person.number, design.regular, 24),
    ):
        _centre(pen, text, y + size / 2, font, size, design.ink, width)
        y += size * 1.35
    if rng.random() < 0.7:
        draw_bars(pen, rng, (width * 0.14, height - 66, width * 0.86, height - 18))
    else:
        pen.rectangle((0, height - 26, width, height), fill=design.accent)
    return np.asarray(image)


def _draw_certificate(rng: np.random.Generator, design: Design, person: Person) -> np.ndarray:
    width, height = design.size
    image, pen = _canvas(np.full((height, width, 3), design.paper, np.uint8))
    for k in range(1 + design.layout % 4):
        inset = 14 + 8 * k
        pen.rectangle(
            (inset, inset, width - inset, height - inset), outline=design.dark, width=2 + (k + design.layout) % 3
        )
    _centre(
        pen, str(rng.choice(TITLES["certificate"][design.split])), height * 0.19, design.bold, 50, design.dark, width
    )
    _centre(pen, str(rng.choice(LEADS)), height * 0.31, design.regular, 20, design.ink, width)
    _centre(pen, f"{person.given} {person.surname}", height * 0.41, design.bold, 44, design.ink, width)
    for k in range(int(rng.integers(2, 5))):
        _centre(
            pen,
            sentence(rng, int(rng.integers(7, 11))),
            height * (0.52 + 0.05 * k),
            design.regular,
            17,
            design.ink,
            width,
        )
    for left in (width * 0.12, width * 0.64):
        line = height * 0.84
        pen.line((left, line, left + width * 0.24, line), fill=design.ink, width=2)
        draw_signature(pen, rng, (left + 14, line - 50, left + width * 0.2, line - 6))
        pen.text((left + 6, line + 6), person.company[:24], font=load_font(design.regular, 14), fill=design.ink)
    draw_seal(pen, design, width / 2, height * 0.83, height * rng.uniform(0.09, 0.12))
    return np.asarray(image)


def _draw_page(rng: np.random.Generator, design: Design, person: Person) -> np.ndarray:
    width, height = design.size
    image, pen = _canvas(np.full((height, width, 3), (252, 251, 248), np.uint8))
    columns = 1 + design.layout // 2 % 2
    margin, gap = 54, 20
    column = (width - 2 * margin - gap * (columns - 1)) / columns
    _centre(pen, sentence(rng, 5)[:-1], 60, design.bold, 26, design.ink, width)
    _centre(pen, f"{person.given} {person.surname}", 90, design.regular, 14, design.ink, width)
    for k in range(columns):
        x, y = margin + k * (column + gap), 120
        while y < height - 70:
            kind = rng.random()
            if kind < 0.14:
                y = _draw_table(pen, rng, design, (x, y, x + column, y + 90)) + 18
            elif kind < 0.26:
                pen.text((x, y), sentence(rng, 3)[:-1], font=load_font(design.bold, 15), fill=design.ink)
                y += 26
            else:
                y = _draw_paragraph(pen, rng, design, x, y, column, int(rng.integers(3, 9)), height - 60) + 12
    _centre(pen, str(rng.integers(1, 90)), height - 36, design.regular, 12, design.ink, width)
    return np.asarray(image)


DRAWERS: dict[str, Callable] = {
    "id_card": _draw_card,
    "passport": _draw_passport,
    "badge": _draw_badge,
    "certificate": _draw_certificate,
    "page": _draw_page,
}


def _canvas(background: np.ndarray) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.fromarray(background)
    return image, ImageDraw.Draw(image)


def _centre(pen, text: str, y: float, font: str, size: int, fill, width: int) -> None:
    pen.text((width / 2, y), text, font=fit_font(font, size, text, 0.84 * width), fill=fill, anchor="mm")


def _draw_header(pen, rng: np.random.Generator, design: Design, share: float = 0.17) -> float:
    """Issuer and title on a band or on the paper; where the header ends."""
    width, height = design.size
    bottom = height * share
    on_band = design.layout // 2 % 2 == 0
    if on_band:
        pen.rectangle((0, 0, width, bottom), fill=design.dark)
    fill = (255, 255, 255) if on_band else design.dark
    title = str(rng.choice(TITLES[design.kind][design.split]))
    issuer = f"REPUBLIC {design.number:02d}"
    anchor, x = ("lm", width * 0.04) if design.layout < 4 else ("rm", width * 0.96)
    pen.text((x, bottom * 0.32), issuer, font=load_font(design.regular, round(bottom * 0.3)), fill=fill, anchor=anchor)
    font = fit_font(design.bold, round(bottom * 0.42), title, 0.8 * width)
    pen.text((x, bottom * 0.7), title, font=font, fill=fill, anchor=anchor)
    return bottom


def _place_portrait(image, pen, rng, design, person, top: float, height: int) -> tuple[int, int, int, int]:
    """Paste the portrait left or right, as the layout says; its xyxy box."""
    width = int(height * 0.78)
    x = int(design.size[0] * 0.04) if design.layout % 4 < 2 else int(design.size[0] * 0.96 - width)
    y = int(top + design.size[1] * 0.05)
    image.paste(Image.fromarray(draw_portrait(rng, person.face, width, height)), (x, y))
    if design.layout // 2 % 2:
        pen.rectangle((x, y, x + width, y + height), outline=design.dark, width=2)
    return x, y, x + width, y + height


def _draw_fields(pen, rng, design: Design, person: Person, box, size: int) -> None:
    """Labels and values, one below the other, as many as fit."""
    x0, y, x1, bottom = box
    label_font = load_font(design.regular, round(size * 0.6))
    for label, value in field_rows(rng, person, int(rng.integers(4, 7))):
        if y + 1.7 * size > bottom:
            break
        pen.text((x0, y), label, font=label_font, fill=design.dark)
        font = fit_font(design.bold, size, value, x1 - x0)
        pen.text((x0, y + 0.62 * size), value, font=font, fill=design.ink)
        y += 2.0 * size


def _travel_lines(lines, person: Person) -> list[str]:
    country = person.country
    return lines(
        country.ljust(3, "<"), person.surname, person.given, person.number, country.ljust(3, "<"), person.birth,
        person.sex, person.expiry,
    )  # fmt: skip


def _draw_zone(pen, lines: list[str], box) -> None:
    """The machine-readable zone, its lines over the whole width."""
    x0, y0, x1, y1 = box
    step = (y1 - y0) / len(lines)
    size = int(min(step * 0.95, (x1 - x0) / load_font(MONOSPACE, 100).getlength(lines[0]) * 100))
    for k, line in enumerate(lines):
        pen.text((x0, y0 + k * step), line, font=load_font(MONOSPACE, size), fill=(15, 15, 15))


def _draw_paragraph(pen, rng, design: Design, x: float, y: float, width: float, num_lines: int, bottom: float) -> float:
    font = load_font(design.regular, 11)
    for _ in range(num_lines):
        if y > bottom:
            break
        line = ""
        while font.getlength(line) < width - 60:
            line += str(rng.choice(WORDS)) + " "
        pen.text((x, y), line, font=font, fill=design.ink)
        y += 15
    return y


def _draw_table(pen, rng, design: Design, box) -> float:
    x0, y0, x1, y1 = box
    font = load_font(design.regular, 10)
    columns = int(rng.integers(3, 6))
    for row in range(6):
        y = y0 + row * (y1 - y0) / 6
        if row in (0, 1):
            pen.line((x0, y, x1, y), fill=design.ink, width=1)
        for column in range(columns):
            x = x0 + 4 + column * (x1 - x0) / columns
            pen.text((x, y + 2), f"{rng.uniform(0, 99):.1f}", font=font, fill=design.ink)
    pen.line((x0, y1, x1, y1), fill=design.ink, width=1)
    return y1
