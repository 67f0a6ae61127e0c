"""One page of a born-digital PDF -> its regions."""

from dataclasses import dataclass

import numpy as np

from dense_det.data.pdf.blocks import build_blocks
from dense_det.data.pdf.columns import assign_columns, find_gutter
from dense_det.data.pdf.content import Content, read_content
from dense_det.data.pdf.geometry import Box, grown, inside
from dense_det.data.pdf.line_kinds import name_lines
from dense_det.data.pdf.lines import body_size, lines_of, without_line_numbers
from dense_det.data.pdf.pictures import find_pictures, shrink_to_ink
from dense_det.data.pdf.tables import find_tables

# boxes are exact to the ink; people draw them with a little air
_PAD = 1.2


@dataclass(frozen=True, slots=True)
class Region:
    """`kind` is one of `dense_det.data.classes.PAGE_CLASSES`; `box` is in points, y down."""

    kind: str
    box: Box


@dataclass(frozen=True, slots=True)
class Page:
    """Size in points, regions from the top down, and the share of characters in monospace."""

    width: float
    height: float
    regions: tuple[Region, ...]
    num_chars: int
    mono_share: float


def understand_page(page, is_first_page: bool) -> Page:
    """The regions of a pypdfium2 page, from its own structure: fonts, positions, rules, drawings.

    Args:
        is_first_page: titles stand only there, page headers only elsewhere.
    """
    content = read_content(page)
    pictures, grids = find_pictures(content)
    if pictures:
        ink = _ink(page)
        pictures = [shrink_to_ink(picture, ink) for picture in pictures]
    regions = find_regions(content, pictures, grids, is_first_page)
    num_chars = sum(len(run.text) for run in content.runs)
    num_mono = sum(len(run.text) for run in content.runs if run.font.is_mono)
    return Page(content.width, content.height, tuple(regions), num_chars, num_mono / max(1, num_chars))


def find_regions(content: Content, pictures: list[Box], grids: list[Box], is_first_page: bool) -> list[Region]:
    """Regions of a page whose pictures, and whose candidates for tables (`grids`), are known."""
    text = [run for run in content.runs if not any(inside(run.box, p, 0.5) for p in pictures)]
    body = body_size(text)
    tables = find_tables(content, grids, pictures, body)
    pictures = [p for p in pictures if not any(inside(p, t, 0.8) for t in tables)]
    obstacles = pictures + tables
    text = [run for run in text if not any(inside(run.box, grown(t, 3, 2)) for t in tables)]
    text = without_line_numbers(text)
    gutter = find_gutter(text, content.width)
    lines = lines_of(text, body, gutter)
    columns = assign_columns(lines, gutter, content.width)
    name_lines(lines, content, columns, obstacles, body, is_first_page)
    blocks = build_blocks(lines, columns, obstacles, body)
    found = [("Picture", p) for p in pictures] + [("Table", t) for t in tables] + [(b.kind, b.box) for b in blocks]
    frame = (0.0, 0.0, content.width, content.height)
    regions = [Region(kind, _clipped(grown(box, _PAD), frame)) for kind, box in found]
    return sorted(regions, key=lambda r: (r.box[1], r.box[0], r.kind))


def _clipped(box: Box, frame: Box) -> Box:
    return max(box[0], frame[0]), max(box[1], frame[1]), min(box[2], frame[2]), min(box[3], frame[3])


def _ink(page) -> np.ndarray:
    """(H, W) bool: where the page is not white, one cell per point."""
    picture = page.render(scale=1, grayscale=True).to_numpy()
    return picture.reshape(picture.shape[:2]) < 250
