"""Lines -> blocks: paragraphs, items, captions, formulas, listings."""

import re
from dataclasses import dataclass
from statistics import median

from dense_det.data.pdf.columns import Column
from dense_det.data.pdf.geometry import (
    Box,
    area,
    grown,
    height,
    inside,
    intersection,
    overlap_x,
    overlap_y,
    touch,
    union,
    width,
)
from dense_det.data.pdf.lines import EQUATION_NUMBER, Line, same_height, starts_numbered

# a listing goes on over blank lines: the next line may be this many line heights away
_CODE_GAP = 2.6
# how many of the latest blocks a line may still join
_LOOK_BACK = 12


@dataclass(slots=True)
class Block:
    """Lines that belong together; `kind` is a class name of `dense_det.data.classes.PAGE_CLASSES`."""

    kind: str
    lines: list[Line]
    box: Box

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.box = union([self.box, line.box])


def build_blocks(lines: list[Line], columns: dict[int, Column], obstacles: list[Box], body: float) -> list[Block]:
    """Blocks of named lines; nothing is joined across `obstacles` (pictures and tables)."""
    blocks: list[Block] = []
    spacing = _spacing(lines, body)
    for line in sorted(lines, key=lambda line: (line.column, line.box[1], line.box[0])):
        for block in reversed(blocks[-_LOOK_BACK:]):
            if block.lines[-1].column != line.column or _parted(block.box, line.box, obstacles):
                continue
            if _joins(block, line, columns[line.column], body, spacing):
                if block.kind == "Section-header" and line.kind in ("Text", "List-item"):
                    block.kind = line.kind if line.num_chars > block.lines[-1].num_chars else block.kind
                block.add(line)
                break
        else:
            blocks.append(Block(line.kind, [line], line.box))
    for block in blocks:
        if block.kind == "Text" and _hangs(block):
            block.kind = "List-item"
    blocks = [b for b in blocks if max(width(b.box), height(b.box)) > 3]
    return finish_formulas(blocks, columns, body)


def _parted(a: Box, b: Box, obstacles: list[Box]) -> bool:
    between = (max(a[0], b[0]), min(a[3], b[3]), min(a[2], b[2]), max(a[1], b[1]))
    return between[3] > between[1] and any(touch(between, obstacle) for obstacle in obstacles)


def _joins(block: Block, line: Line, column: Column, body: float, spacing: float) -> bool:
    last = block.lines[-1]
    gap = line.box[1] - block.box[3]
    line_height = max(height(last.box), height(line.box), 0.9 * body)
    # boxes are tight: without descenders, lines set solid are 0.5 of the size apart
    spacing = max(spacing, 0.5 * line_height, 0.6 * body)
    shared = overlap_x(block.box, line.box)
    beside = abs(line.box[1] + line.box[3] - last.box[1] - last.box[3]) < line_height
    pair = (block.kind, line.kind)
    if pair == ("Formula", "Formula"):
        return gap < 1.3 * body and (shared > 0 or beside)
    if pair == ("Code", "Code"):
        return gap < _CODE_GAP * line_height and (shared > -20 or beside)
    if pair in (("Page-header", "Page-header"), ("Page-footer", "Page-footer")):
        return beside and -5 < line.box[0] - last.box[2] < 25
    if pair in (("Section-header", "Section-header"), ("Title", "Title")):
        if beside:
            return line.box[0] - last.box[2] < 40
        alike = abs(line.size - last.size) < 0.6 and gap < 0.6 * line.size and shared > -20
        return alike and not starts_numbered(line.text)
    if pair == ("Footnote", "Footnote"):
        return gap < 0.6 * line_height and shared > 0 and not re.match(r"^\d{1,2}\s?[A-Z]", line.text)
    if pair == ("Text", "Text"):
        return _continues(block, line, column, gap, spacing, beside, body)
    if block.kind in ("Caption", "List-item") and line.kind == "Text":
        close = gap < spacing and shared > 0 and abs(line.size - last.size) < 1.2
        return close and (block.kind == "Caption" or line.box[0] > block.box[0] + 3)
    if pair == ("Text", "Formula") and sum(each.num_chars for each in block.lines) < 3 and shared > 0:
        block.kind = "Formula"  # an accent or a limit stood above its formula
        return True
    if block.kind in ("Text", "List-item", "Caption") and line.kind == "Formula":
        # a line of the paragraph that happens to be full of symbols
        inline = block.kind == "Text" and gap < 0.35 * line_height and line.box[0] < column.left + 14 and shared > 0
        return beside or inline
    if pair == ("Formula", "Text"):
        return beside
    if block.kind == "Section-header" and line.kind in ("Text", "List-item"):
        return beside and line.box[0] - block.box[2] < 30
    if pair == ("Text", "Code"):  # a line of a paragraph that is a long address or name
        full = last.box[2] > column.right - 0.15 * (column.right - column.left)
        return gap < 0.4 * line_height and full and abs(line.box[0] - block.box[0]) < 3
    return False


def _continues(block: Block, line: Line, column: Column, gap: float, spacing: float, beside: bool, body: float) -> bool:
    """`line` goes on the paragraph `block`; `spacing` is the largest gap between its lines."""
    last = block.lines[-1]
    if beside:
        return -1 < line.box[0] - last.box[2] < 2.2 * body
    if gap >= spacing or overlap_x(block.box, line.box) <= 0 or abs(line.size - last.size) >= 1.6:
        return False
    if _hangs(block) and abs(line.box[0] - block.box[0]) < 3:
        return False  # the next reference of a bibliography
    indented = line.box[0] - block.box[0] > 8 and line.box[0] - last.box[0] > 6
    if indented and line.box[0] - column.left > 8:
        # a new paragraph's first line; a bibliography's second line after its first, which is full
        return len(block.lines) == 1 and last.box[2] > column.right - 0.2 * (column.right - column.left)
    short = last.box[2] < column.right - 0.12 * (column.right - column.left)
    ended = short and last.text.endswith((".", ":", "?", "!"))
    return not (ended and gap > 0.56 * spacing)


def _spacing(lines: list[Line], body: float) -> float:
    """The largest gap between lines of one paragraph: 1.4 of the median between lines of prose; 0 without prose."""
    prose = [line for line in lines if line.kind == "Text" and line.num_chars > 25]
    prose.sort(key=lambda line: (line.column, line.box[1]))
    gaps = [
        lower.box[1] - upper.box[3]
        for upper, lower in zip(prose, prose[1:], strict=False)
        if upper.column == lower.column and 0 < lower.box[1] - upper.box[3] < 1.6 * body
    ]
    return 1.4 * median(gaps) if len(gaps) >= 4 else 0.0


def _hangs(block: Block) -> bool:
    """The first line begins further left than all others, as a reference's does."""
    first, others = block.lines[0], [line for line in block.lines[1:] if line.box[0] - block.lines[0].box[0] < 60]
    if not others or len(others) < len(block.lines) - 1:
        return False
    lefts = [line.box[0] for line in others]
    return min(lefts) - first.box[0] > 6 and max(lefts) - min(lefts) < 2


def finish_formulas(blocks: list[Block], columns: dict[int, Column], body: float) -> list[Block]:
    """Make each displayed formula whole: its rows, its number, and fractions' parts that look like text."""
    formulas = [block for block in blocks if block.kind == "Formula"]
    others = [block for block in blocks if block.kind != "Formula"]
    for block in list(others):
        if block.kind not in ("Text", "Section-header", "List-item") or len(block.lines) > 2:
            continue
        for formula in formulas:
            if _belongs(block, formula, columns[block.lines[0].column], body):
                formula.box = union([formula.box, block.box])
                formula.lines += block.lines
                others.remove(block)
                break
    merged: list[Block] = []
    for formula in sorted(formulas, key=lambda f: (f.box[1], f.box[0])):
        host = next((m for m in merged if _one_formula(m, formula, body)), None)
        if host is None:
            merged.append(formula)
        else:
            host.box = union([host.box, formula.box])
            host.lines += formula.lines
    for formula in merged:
        if sum(line.num_chars for line in formula.lines) < 3:
            formula.kind = "Text"
    return others + merged


def _belongs(block: Block, formula: Block, column: Column, body: float) -> bool:
    """An indented piece of text that is a numerator, a limit, or a word between formulas."""
    if block.lines[0].column != formula.lines[0].column:
        return False
    if inside(block.box, formula.box, 0.7):
        return True
    if block.box[0] < column.left + 6:
        return False
    if intersection(block.box, formula.box) > 0.2 * area(block.box):
        return True
    if all(EQUATION_NUMBER.match(line.text) for line in formula.lines):
        return len(block.lines) == 1 and same_height(block.box, formula.box)
    short = sum(line.num_chars for line in block.lines) < 30 and width(block.box) < 0.8 * width(formula.box)
    return short and touch(block.box, grown(formula.box, 1.5 * body, 0.45 * body))


def _one_formula(a: Block, b: Block, body: float) -> bool:
    """Rows of one display: in one column, with less than a line between them."""
    return a.lines[0].column == b.lines[0].column and overlap_y(a.box, b.box) > -0.9 * body
