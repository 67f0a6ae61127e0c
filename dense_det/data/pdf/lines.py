"""Runs -> rows -> lines: pieces of text at one height, split where a wide gap or a column's gutter lies between."""

import re
from collections import Counter
from dataclasses import dataclass

from dense_det.data.pdf.content import Run
from dense_det.data.pdf.geometry import Box, height, overlap_y, union

# a gap this many body sizes wide ends a line; code keeps its columns together up to the larger one
_GAP = 1.7
_CODE_GAP = 14.0

# "Figure 3:", "Table A.1. ", "Fig. 2 |"; without the mark at its end it may be a sentence about a figure
_CAPTION_START = (
    r"^\s*(Figure|Fig\.|Table|Tab\.|TABLE|FIGURE|Listing|Algorithm|Plate|Chart|Exhibit|Abbildung|Abb\.|Tabelle|Tabella|Figura"
    r"|Tableau|Tabla|Tabela)\s*([A-Z]?[\d.]*\d|[IVXL]+\b)"
)
CAPTION = re.compile(_CAPTION_START + r"[a-z]?\s?([:.|–—-](?!\d)|$)")
CAPTION_UNMARKED = re.compile(_CAPTION_START + r"\)?\s+[A-Z]")

# "(3.2a)", and nothing else
EQUATION_NUMBER = re.compile(r"^\(\s?[A-Z]?\.?\d+(\.\d+)*\s?[a-z]?\s?\)$")


@dataclass(slots=True)
class Line:
    """Text at one height within one column; `mono`, `math`, `bold` are shares of its characters."""

    runs: list[Run]
    box: Box
    text: str
    size: float
    num_chars: int
    mono: float
    math: float
    bold: float
    column: int = 0
    kind: str = ""


def body_size(runs: list[Run], default: float = 10.0) -> float:
    """The commonest font size by characters, to half a point: what the page's body is set in.

    Listings, often smaller, count only on pages that have hardly anything else.
    """
    sizes: Counter[float] = Counter()
    prose = [run for run in runs if not run.font.is_mono]
    for run in prose if sum(len(run.text) for run in prose) > 200 else runs:
        sizes[round(run.size * 2) / 2] += len(run.text)
    return max(sizes.most_common(1)[0][0], 4.0) if sizes else default


def rows_of(runs: list[Run]) -> list[list[Run]]:
    """Upright runs grouped by height, each row left to right, rows from the top down.

    Big runs found a row; sub- and superscripts then join the row that they overlap.
    """
    rows: list[tuple[list[float], list[Run]]] = []  # ([top, bottom, size], runs)
    for run in sorted((r for r in runs if not r.rotated), key=lambda r: (-r.size * len(r.text), r.box)):
        top, bottom = run.box[1], run.box[3]
        for extent, members in rows:
            shared = min(extent[1], bottom) - max(extent[0], top)
            smaller = min(extent[1] - extent[0], bottom - top)
            if shared > 0.45 * smaller and bottom - top <= 2.2 * (extent[1] - extent[0]):
                members.append(run)
                if run.size > 0.75 * extent[2]:  # never let a tall bracket reach into the next row
                    extent[0] = min(extent[0], top) if top > extent[0] - 3 else extent[0]
                    extent[1] = max(extent[1], bottom) if bottom < extent[1] + 3 else extent[1]
                break
        else:
            rows.append(([top, bottom, run.size], [run]))
    rows.sort(key=lambda row: (row[0][0], row[0][1]))
    return [sorted(members, key=lambda r: r.box) for _, members in rows]


def lines_of(runs: list[Run], body: float, gutter: float | None = None) -> list[Line]:
    """The lines of a page, top down; `gutter` is the x between two columns."""
    lines = []
    for row in rows_of(runs):
        piece, end = [row[0]], row[0].box[2]
        for run in row[1:]:
            if _splits(piece[-1], run, end, body, gutter):
                lines.append(_line(piece))
                piece = []
            piece.append(run)
            end = max(end, run.box[2]) if len(piece) > 1 else run.box[2]
        lines.append(_line(piece))
    return lines


def _splits(last: Run, run: Run, end: float, body: float, gutter: float | None) -> bool:
    gap = run.box[0] - end
    if gutter is not None and end <= gutter + 2 and run.box[0] >= gutter - 2 and gap > 0.4 * body:
        return True
    limit = _CODE_GAP if last.font.is_mono and run.font.is_mono else _GAP
    return gap > limit * max(body, 6.0)


def _line(runs: list[Run]) -> Line:
    counts = [max(1, len(run.text)) for run in runs]
    total = sum(counts)

    def share(test) -> float:
        return sum(n for run, n in zip(runs, counts, strict=True) if test(run.font)) / total

    text = runs[0].text
    for before, run in zip(runs, runs[1:], strict=False):
        text += (" " if run.box[0] - before.box[2] > 0.15 * run.size else "") + run.text
    return Line(
        runs=runs,
        box=union([run.box for run in runs]),
        text=text.strip(),
        # of the long runs: neither a superscript nor one big bracket
        size=max(run.size for run, n in zip(runs, counts, strict=True) if n >= max(counts) / 2),
        num_chars=total,
        mono=share(lambda font: font.is_mono),
        math=share(lambda font: font.is_math),
        bold=share(lambda font: font.is_bold),
    )


def without_line_numbers(runs: list[Run]) -> list[Run]:
    """`runs` without the numbers that manuscripts carry beside each line: a column of digits left of all words."""
    digits = [run for run in runs if run.text.replace(" ", "").isdigit() and len(run.text) < 6]
    words = sorted(run.box[0] for run in runs if not any(run is number for number in digits))
    left = words[len(words) // 50] if words else 0.0  # but for a stray word or two
    numbers = [run for run in digits if run.box[2] < left]
    if len(numbers) < 8 or max(run.box[2] for run in numbers) - min(run.box[2] for run in numbers) > 12:
        return runs
    return [run for run in runs if not any(run is number for number in numbers)]


def same_height(a: Box, b: Box, share: float = 0.5) -> bool:
    """The boxes stand side by side: they share `share` of the lower one's height."""
    return overlap_y(a, b) > share * min(height(a), height(b))


def starts_numbered(text: str) -> bool:
    """ "2.1 Model": the number of a section."""
    return bool(re.match(r"^([A-Z]\.|\d+(\.\d+)*\.?)\s", text))
