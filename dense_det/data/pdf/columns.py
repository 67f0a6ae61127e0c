"""One column or two: where the gutter is, and where each column's text begins and ends."""

from collections import Counter
from dataclasses import dataclass

from dense_det.data.pdf.content import Run
from dense_det.data.pdf.lines import Line, rows_of

_LEAST_ROWS = 7
WIDE = -1  # the column of a line that crosses the gutter


@dataclass(frozen=True, slots=True)
class Column:
    left: float
    right: float


def find_gutter(runs: list[Run], page_width: float) -> float | None:
    """x of the white strip between two columns of prose, or None.

    Some consecutive rows must have prose on both sides; above and below, titles and tables may cross it.
    """
    rows = [[r for r in row if not r.font.is_mono] for row in rows_of(runs)]
    rows = [row for row in rows if sum(len(r.text) for r in row) > 20]
    best_score, best_x = 0.0, None
    for x in range(int(0.35 * page_width), int(0.65 * page_width), 2):
        votes = [_vote(row, x) for row in rows]
        longest = current = 0
        for vote in votes:
            current = current + 1 if vote > 0 else 0 if vote < 0 else current
            longest = max(longest, current)
        score = longest + 0.1 * sum(votes)
        if longest >= _LEAST_ROWS and score > best_score:
            best_score, best_x = score, x
    return best_x if best_x is not None else _gutter_of_shifted_rows(runs, page_width)


def _gutter_of_shifted_rows(runs: list[Run], page_width: float) -> float | None:
    """The gutter between columns whose lines are not level: long runs on both sides, hardly any across.

    The right column's left edge shows as the x where most runs in the middle of the page begin.
    """
    long = [run.box for run in runs if len(run.text) > 15 and not run.rotated and not run.font.is_mono]
    edges = Counter(round(box[0]) for box in long if 0.4 * page_width < box[0] < 0.65 * page_width)
    edge, num_starts = edges.most_common(1)[0] if edges else (0, 0)
    num_left = sum(box[2] < edge - 4 for box in long)
    num_across = sum(box[0] < edge - 8 and box[2] > edge + 4 for box in long)
    if num_starts < _LEAST_ROWS or num_left < _LEAST_ROWS or num_across > 0.15 * len(long):
        return None
    ends = [box[2] for box in long if box[2] < edge - 4]
    return (max(ends) + edge) / 2


def _vote(row: list[Run], x: float) -> int:
    """1: prose on both sides of x with a gap between; -1: something across x; 0: on one side only."""
    if any(r.box[0] < x - 2 and r.box[2] > x + 2 for r in row):
        return -1
    left = [r for r in row if r.box[2] <= x + 2]
    right = [r for r in row if r.box[0] >= x - 2]
    if not (left and right):
        return 0
    gap = min(r.box[0] for r in right) - max(r.box[2] for r in left)
    return 1 if gap > 6 and min(sum(len(r.text) for r in side) for side in (left, right)) > 15 else -1


def assign_columns(lines: list[Line], gutter: float | None, page_width: float) -> dict[int, Column]:
    """Write each line's `column`, and return the columns by number: 0, 1 and WIDE."""
    for line in lines:
        if gutter is None or line.box[2] <= gutter + 2:
            line.column = 0
        else:
            line.column = 1 if line.box[0] >= gutter - 2 else WIDE
    columns = {}
    for number in (0, 1):
        members = [line for line in lines if line.column == number]
        if members:
            columns[number] = _extent(members)
    everything = [line for line in lines if line.column == WIDE] or lines
    edges = list(columns.values()) or [Column(0.0, page_width)]
    if everything and gutter is not None:
        edges.append(_extent(everything))
    columns[WIDE] = Column(min(c.left for c in edges), max(c.right for c in edges))
    return columns


def _extent(lines: list[Line]) -> Column:
    """The commonest left and right edges of prose; all text's, where there is too little of it."""
    prose = [line for line in lines if line.mono < 0.5 and line.num_chars > 25]
    left = min(line.box[0] for line in lines)
    right = max(line.box[2] for line in lines)
    if len(prose) < 4:
        return Column(left, right)
    need = max(3, 0.12 * len(prose))
    lefts = Counter(round(line.box[0] / 3) * 3 for line in prose)
    rights = Counter(round(line.box[2] / 3) * 3 for line in prose)
    left = min((x for x, n in lefts.items() if n >= need), default=left)
    right = max((x for x, n in rights.items() if n >= need), default=right)
    return Column(float(left), float(max(right, left + 40)))
