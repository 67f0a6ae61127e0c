"""The kind of each line, by its font, its place in its column and its first words."""

import re

from dense_det.data.pdf.columns import Column
from dense_det.data.pdf.content import Content
from dense_det.data.pdf.geometry import Box, grown, touch, width
from dense_det.data.pdf.lines import CAPTION, CAPTION_UNMARKED, EQUATION_NUMBER, Line

_BULLET = re.compile(
    r"^\s*([•·∙◦▪●○■–—∗*►▶⋄\x0f\x88\x7f]\s?|[(\[]?\d{1,3}[.)\]]\s|\(?[a-zA-Z]\)\s|\(?[ivx]{1,4}[.)]\s)"
)
_SURE_BULLETS = "•∙▪●○■∗►▶⋄\x0f\x88"  # the last two: TeX's own codes, in fonts without Unicode
_ENDS_NUMBERED = re.compile(r"\(\s?[A-Z]?\.?\d+(\.\d+)*\s?[a-z]?\)\s*$")
_FUNCTIONS = {"log", "exp", "max", "min", "arg", "sup", "inf", "lim", "var", "cov", "cor", "det", "diag", "sin", "cos",
              "tan", "logit", "trace", "where", "with", "and", "for", "argmax", "argmin"}  # fmt: skip
_OPENING = re.compile(r"^(Abstract|Summary|Keywords?|Contents|References|Introduction)\b", re.I)


def name_lines(
    lines: list[Line],
    content: Content,
    columns: dict[int, Column],
    obstacles: list[Box],
    body: float,
    is_first_page: bool,
) -> None:
    """Write every line's `kind`; `obstacles` are the pictures and tables, which hold no lines any more."""
    _name_margins(lines, content, obstacles, body, is_first_page)
    _name_footnotes(lines, content, body)
    free = [line for line in lines if not line.kind]
    title_size = _title_size(free, content, body) if is_first_page else None
    for line in free:
        near_figure = any(touch(grown(line.box, 0, 3.5 * body), obstacle) for obstacle in obstacles)
        line.kind = _kind(line, columns[line.column], body, title_size, near_figure)
    if title_size is not None:
        _name_authors(free)


def _name_margins(lines: list[Line], content: Content, obstacles: list[Box], body: float, is_first_page: bool) -> None:
    """Page-header and Page-footer: the outermost line, when white space sets it apart."""
    if not lines:
        return
    top = min(lines, key=lambda line: line.box[1])
    first = [line for line in lines if line.box[1] < top.box[3]]
    below = [line.box[1] for line in lines if line not in first] + [box[1] for box in obstacles]
    gap = min(below, default=content.height) - max(line.box[3] for line in first)
    small = all(line.size < 1.35 * body for line in first)
    if not is_first_page and top.box[3] < 0.115 * content.height and gap > 0.7 * body and small:
        for line in first:
            line.kind = "Page-header"
    rest = [line for line in lines if not line.kind]
    if not rest:
        return
    bottom = max(rest, key=lambda line: line.box[3])
    last = [line for line in rest if line.box[3] > bottom.box[1]]
    above = [line.box[3] for line in rest if line not in last] + [box[3] for box in obstacles]
    gap = min(line.box[1] for line in last) - max(above, default=0.0)
    num_chars = sum(line.num_chars for line in last)
    # a paragraph's last line after a listing has white space above it, too
    prose = num_chars > 40 and bottom.size > 0.95 * body and gap < 2.5 * body
    if num_chars >= 130 or prose or any(line.mono > 0.6 for line in last):
        return
    number = num_chars <= 6  # of the page
    if bottom.box[1] > (0.8 if number else 0.86) * content.height and gap > (0.6 if number else 1.15) * body:
        for line in last:
            line.kind = "Page-footer"


def _name_footnotes(lines: list[Line], content: Content, body: float) -> None:
    """Small print below a short rule."""
    for rule in content.rules:
        if width(rule) > 0.5 * content.width or rule[1] < 0.4 * content.height:
            continue
        below = [
            line
            for line in lines
            if not line.kind and line.box[1] > rule[1] - 1 and rule[0] - 12 < line.box[0] < rule[2] + 60
        ]
        if not below or min(line.box[1] for line in below) - rule[1] >= 14:
            continue
        column = {line.column for line in below}
        rest = [line for line in lines if not line.kind and line.box[1] > rule[1] - 1 and line.column in column]
        if all(line.size < 0.95 * body and line.mono < 0.8 and not CAPTION.match(line.text) for line in rest):
            for line in below:
                line.kind = "Footnote"


def _title_size(lines: list[Line], content: Content, body: float) -> float | None:
    sizes = [line.size for line in lines if line.box[1] < 0.5 * content.height and line.num_chars > 3]
    largest = max(sizes, default=0.0)
    return largest if largest > 1.3 * body else None


def _kind(line: Line, column: Column, body: float, title_size: float | None, near_figure: bool) -> str:
    indent = line.box[0] - column.left
    if line.mono > 0.8:
        return "Code"
    if title_size is not None and line.size > 0.92 * title_size:
        return "Title"
    if CAPTION.match(line.text) or (near_figure and CAPTION_UNMARKED.match(line.text)):
        return "Caption"
    if _is_heading(line, column, body):
        return "Section-header"
    if _is_formula(line, column, indent):
        return "Formula"
    if _is_item(line, indent, body):
        return "List-item"
    return "Text"


def _is_heading(line: Line, column: Column, body: float) -> bool:
    emphatic = line.size > 1.12 * body or (line.bold > 0.85 and line.num_chars > 2)
    worded = re.search(r"[^\W\d_]{2}", line.text) and line.num_chars < 110 and line.math < 0.5
    return bool(emphatic and worded and line.box[2] < column.right + 3)


def _is_formula(line: Line, column: Column, indent: float) -> bool:
    if EQUATION_NUMBER.match(line.text):  # alone
        return line.box[0] > column.left + 0.6 * (column.right - column.left)
    if line.text[:1] in tuple(_SURE_BULLETS):
        return False
    if line.math > 0.5 and indent > 5:
        return True
    numbered = bool(_ENDS_NUMBERED.search(line.text))
    if indent < 14 or not (numbered or column.right - line.box[2] > 10):
        return False
    words = [word for word in re.findall(r"[A-Za-z]{3,}", line.text) if word.lower() not in _FUNCTIONS]
    if line.math > 0.28:
        return sum(len(word) > 3 for word in words) < 6
    # upright letters and digits, as in "LL(0) = 2 log(3r + 2)": an equation by its signs
    signs = sum(not letter.isalpha() for letter in line.text.replace(" ", "")) / max(1, line.num_chars)
    relation = "=" in line.text or "<" in line.text or line.math > 0.08
    few = len(words) <= (3 if line.math > 0.12 else 1)
    return relation and few and line.bold < 0.5 and line.mono == 0 and (signs > 0.25 or numbered)


def _is_item(line: Line, indent: float, body: float) -> bool:
    if _BULLET.match(line.text) and (indent > 6 or line.text[0] in _SURE_BULLETS):
        return True
    # a lone symbol before the text: a bullet of a font whose letters mean nothing to Unicode
    if len(line.runs) < 2:
        return False
    mark, text = line.runs[0], line.runs[1]
    symbol = len(mark.text.strip()) <= 1 and not re.match(r"[A-Za-z0-9(\[>\"'$+=<]", mark.text.strip() or "@")
    gap = text.box[0] - mark.box[2]
    return symbol and line.math < 0.6 and width(mark.box) < 0.9 * body and 2 < gap < 1.6 * body


def _name_authors(lines: list[Line]) -> None:
    """Big or bold lines between the title and the first heading or prose are names, not headings."""
    start = max((line.box[3] for line in lines if line.kind == "Title"), default=0.0)
    for line in sorted(lines, key=lambda line: line.box[1]):
        if line.box[1] < start - 1:
            continue
        heading = line.kind == "Section-header" and re.match(r"\d", line.text)
        if heading or _OPENING.match(line.text) or (line.kind == "Text" and line.num_chars > 60):
            break
        if line.kind in ("Section-header", "List-item"):
            line.kind = "Text"
