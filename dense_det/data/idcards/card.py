"""Identity cards, passports and badges: a portrait, labelled fields, and what proves them genuine."""

import numpy as np

from dense_det.data.idcards.chance import happens, pick
from dense_det.data.idcards.fonts import load_font
from dense_det.data.idcards.marks import draw_bars, draw_chip, draw_qr, draw_signature
from dense_det.data.idcards.mrz import card_lines, passport_lines
from dense_det.data.idcards.person import Person
from dense_det.data.idcards.portrait import draw_portrait
from dense_det.data.idcards.security import security_ground
from dense_det.data.idcards.sheet import Sheet
from dense_det.data.idcards.template import Template
from dense_det.data.idcards.text import WORDS

WHITE = (255, 255, 255)
_STATE_CODE = "UTO"  # of specimens, as ICAO prints them


def draw_card(rng: np.random.Generator, template: Template, person: Person, face: int, size) -> np.ndarray:
    """(height, width, 3) RGB of an identity card, a passport's data page or an open passport.

    Args:
        size: (width, height) in pixels; of an open passport, of its lower half.
    """
    sheet = Sheet(security_ground(rng, template, size), template.family)
    layout = template.layout
    words = WORDS[template.locale]
    _draw_header(sheet, template, template.state.upper(), getattr(words, template.kind))
    _draw_face(rng, sheet, template, face)
    _draw_fields(rng, sheet, template, person)
    if layout.signature:
        draw_signature(rng, sheet, layout.signature)
    if layout.mark:
        _draw_mark(rng, sheet, template)
    if layout.zone < 1:
        _draw_zone(sheet, template, person)
    if happens(rng, 0.4):  # a second, small portrait, pale as a laser makes it
        _draw_ghost(rng, sheet, template, face)
    page = sheet.array()
    return np.concatenate([_facing_page(rng, template, size), page]) if layout.booklet else page


def draw_badge(rng: np.random.Generator, template: Template, person: Person, face: int, size) -> np.ndarray:
    """(height, width, 3) RGB of a badge: upright, white or tinted, with a slot for its lanyard."""
    width, height = size
    ground = np.full((height, width, 3), pick(rng, [255, 250, 242]), np.uint8)
    if happens(rng, 0.3):
        ground = security_ground(rng, template, size)
    sheet = Sheet(ground, template.family)
    words = WORDS[template.locale]
    _draw_header(sheet, template, person.company, words.badge)
    _draw_face(rng, sheet, template, face)
    x0, y0, x1, _ = template.layout.fields[0]
    middle, limit = (x0 + x1) / 2, x1 - x0
    dark = template.color(0.8, 0.3)
    lines = [(f"{person.given} {person.surname}", 0.055, True, dark), (person.job, 0.034, False, (60, 60, 60)),
             (f"{words.number} {person.number[:6]}", 0.03, False, (60, 60, 60))]  # fmt: skip
    for text, letters, bold, fill in lines:
        sheet.text(middle, y0, text, letters, fill, bold, "ma", limit)
        y0 += 1.5 * letters
    if template.layout.mark:
        (draw_qr if template.layout.mark[3] - template.layout.mark[1] > 0.12 else draw_bars)(
            rng, sheet, template.layout.mark
        )
    sheet.box((0.38, 0.018, 0.62, 0.04), fill=(70, 70, 74), radius=0.012)
    return sheet.array()


def _draw_header(sheet: Sheet, template: Template, title: str, name: str) -> None:
    dark, header = template.color(0.75, 0.42), template.layout.header
    if header == "side":
        sheet.box((0, 0, 0.12, 1), fill=dark)
        sheet.text(0.17, 0.055 if template.kind == "badge" else 0.025, name, 0.05, dark, True, limit=0.75)
        return
    badge = template.kind == "badge"
    top, high = (0.82, 0.18) if header == "foot" else (0.05 if badge else 0.0, 0.15 if badge else 0.19)
    fill = dark
    if header in ("band", "foot"):
        sheet.box((0, 0 if header == "band" else top, 1, top + high), fill=dark)
        fill = WHITE
    elif header == "line":
        sheet.line([(0.04, top + high - 0.01), (0.96, top + high - 0.01)], dark, 0.008)
    if header == "none":
        sheet.text(0.96, 0.03, name, 0.06, fill, True, "ra", 0.5)
        return
    sheet.text(0.05, top + 0.12 * high, title, 0.36 * high, fill, True, limit=0.9)
    sheet.text(0.05, top + 0.56 * high, name, 0.32 * high, fill, limit=0.9)


def _draw_face(rng, sheet: Sheet, template: Template, face: int) -> None:
    x0, y0, x1, y1 = sheet.pixels(template.layout.portrait)
    sheet.paste(draw_portrait(rng, face, (x1 - x0, y1 - y0)), template.layout.portrait)
    if template.decoration != "qr":
        sheet.box(template.layout.portrait, outline=template.color(0.4, 0.5), line=0.006)


def _draw_ghost(rng, sheet: Sheet, template: Template, face: int) -> None:
    x0, y0, x1, y1 = 0.80, 0.40, 0.92, 0.62
    px = sheet.pixels((x0, y0, x1, y1))
    if template.layout.mark or len(template.layout.fields) > 1 or template.layout.portrait[0] > 0.5:
        return
    under = sheet.array()[px[1] : px[3], px[0] : px[2]]
    ghost = draw_portrait(rng, face, (px[2] - px[0], px[3] - px[1]))
    sheet.paste((0.62 * under + 0.38 * ghost.mean(2, keepdims=True)).astype(np.uint8), (x0, y0, x1, y1))


def _draw_fields(rng, sheet: Sheet, template: Template, person: Person) -> None:
    """Labels over their values, down each of the layout's columns; what finds no room is left out."""
    words = WORDS[template.locale]
    rows = [(words.surname, person.surname.upper()), (words.given, person.given)]
    others = [
        (words.birth, person.birth), (words.sex, person.sex), (words.nationality, _STATE_CODE),
        (words.number, person.number), (words.expiry, person.expiry), (words.place, person.place),
        (words.authority, person.place), (words.address, person.address),
    ]  # fmt: skip
    rows += [others[k] for k in rng.permutation(len(others))[: int(rng.integers(5, 9))]]
    label_color, ink = template.color(0.65, 0.45), pick(rng, [(20, 20, 25), (30, 25, 60), (15, 40, 40)])
    flat = template.kind == "passport"
    label, value = rng.uniform(0.027, 0.034), rng.uniform(0.042, 0.052) if flat else rng.uniform(0.048, 0.062)
    bold = happens(rng, 0.5)
    column = 0
    x0, y, x1, y1 = template.layout.fields[0]
    for name, text in rows:
        if y + label + 1.4 * value > y1:
            column += 1
            if column == len(template.layout.fields):
                return
            x0, y, x1, y1 = template.layout.fields[column]
        sheet.text(x0, y, name, label, label_color, limit=x1 - x0)
        sheet.text(x0, y + 1.2 * label, text, value, ink, bold, limit=x1 - x0)
        y += 1.2 * label + 1.45 * value


def _draw_mark(rng, sheet: Sheet, template: Template) -> None:
    if template.layout_name == "chip" or template.decoration == "chip":
        draw_chip(sheet, template.layout.mark)
    elif template.decoration == "qr":
        draw_qr(rng, sheet, template.layout.mark)
    else:
        draw_bars(rng, sheet, template.layout.mark)


def _draw_zone(sheet: Sheet, template: Template, person: Person) -> None:
    make = passport_lines if template.kind == "passport" else card_lines
    lines = make(_STATE_CODE, person.surname, person.given, person.number, person.mrz_birth, person.sex,
                 person.mrz_expiry)  # fmt: skip
    top = template.layout.zone
    sheet.box((0, top, 1, 1), fill=(250, 250, 246))
    step = 0.92 / len(lines[0])
    pitch = (1 - top) * 0.9 / len(lines)
    # letters as large as their cell: OCR-B is 10 to the inch, whatever face stands for it here
    font = load_font(
        template.family.machine_readable, round(min(1.62 * step * sheet.width, 0.95 * pitch * sheet.height))
    )
    for row, text in enumerate(lines):
        y = (top + (1 - top) * 0.07 + row * pitch) * sheet.height
        for place, sign in enumerate(text):
            sheet.pen.text(((0.04 + step * place) * sheet.width, y), sign, font=font, fill=(18, 18, 20))


def _facing_page(rng, template: Template, size) -> np.ndarray:
    """The page across the fold of an open passport: print, a few words, the fold's shade at its foot."""
    sheet = Sheet(security_ground(rng, template, size), template.family)
    dark = template.color(0.6, 0.4)
    sheet.text(0.5, 0.1, template.state.upper(), 0.06, dark, True, "ma", 0.9)
    for row in range(int(rng.integers(2, 7))):
        sheet.box((0.12, 0.3 + 0.08 * row, rng.uniform(0.5, 0.88), 0.31 + 0.08 * row), fill=dark)
    page = sheet.array().astype(np.float32)
    shade = np.clip((np.linspace(0, 1, size[1]) - 0.9) / 0.1, 0, 1)[:, None, None]
    return (page * (1 - 0.35 * shade)).astype(np.uint8)
