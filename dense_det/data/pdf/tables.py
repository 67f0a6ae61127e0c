"""Tables: parallel rules, or a grid of lines, that hold text in columns."""

from dense_det.data.pdf.content import Content, Run
from dense_det.data.pdf.geometry import Box, grown, height, inside, merge_touching, touch, union, width
from dense_det.data.pdf.lines import CAPTION, rows_of

# rules of one table begin and end within this of each other, and are at most this far apart
_ALIGNED = 4.0
_FARTHEST = 420.0


def find_tables(content: Content, grids: list[Box], pictures: list[Box], body: float) -> list[Box]:
    """Boxes of tables: rules and the text between them."""
    tables = list(grids)
    for rules in _parallel_rules(content, body):
        box = union(rules)
        if height(box) < 14 or width(box) < 50 or any(inside(box, p, 0.5) for p in pictures):
            continue
        text = [run for run in content.runs if inside(run.box, grown(box, 2, 1), 0.8)]
        posts = [post for post in content.posts if inside(post, grown(box, 2, 2)) and box[0] + 5 < post[0] < box[2] - 5]
        if len(rules) == 2 and not posts and _num_pieces(text, body) < 3:
            continue  # two words at either end of a line: a box of publishing dates, not a table
        if text and (looks_tabular(text, body) or len(posts) >= 2):
            tables.append(box)
    tables = merge_touching(tables, 2.0)
    for index, table in enumerate(tables):
        text = [run.box for run in content.runs if inside(run.box, grown(table, 3, 2))]
        tables[index] = union([table, *text])
    return [t for t in tables if not any(touch(t, p) and (inside(t, p, 0.8) or inside(p, t, 0.8)) for p in pictures)]


def looks_tabular(text: list[Run], body: float) -> bool:
    """Many rows fall into pieces with wide gaps between them; listings (monospace) do not count."""
    rows = rows_of(text)
    if _is_listing(rows):
        return False
    if sum(_has_leader(row) for row in rows) > 0.3 * len(rows):
        return False  # a table of contents
    return len(rows) >= 2 and _in_columns(rows, body)


def _in_columns(rows: list[list[Run]], body: float) -> bool:
    return sum(_pieces(row, body) > 1 for row in rows) >= 0.4 * len(rows)


def _is_listing(rows: list[list[Run]]) -> bool:
    """Monospace, and no row without any: a table of code has a head, or a column, of words."""
    num_chars = sum(len(run.text) for row in rows for run in row)
    num_mono = sum(len(run.text) for row in rows for run in row if run.font.is_mono)
    return num_mono > 0.8 * num_chars and all(any(run.font.is_mono for run in row) for row in rows)


def _num_pieces(text: list[Run], body: float) -> int:
    """Of the row with the most."""
    return max((_pieces(row, body) for row in rows_of(text)), default=0)


def _pieces(row: list[Run], body: float) -> int:
    """Parts of a row with wide gaps between them."""
    pieces, end = 1, row[0].box[2]
    for run in row[1:]:
        pieces += run.box[0] - end > 0.9 * body
        end = max(end, run.box[2])
    return pieces


def _has_leader(row: list[Run]) -> bool:
    """Dots that lead to a page number."""
    text = "".join(run.text for run in row)
    return "....." in text.replace(" ", "")


def _parallel_rules(content: Content, body: float) -> list[list[Box]]:
    """Groups of two or more rules with the same ends and no prose or caption in between."""
    groups: list[list[Box]] = []
    for rule in sorted(content.rules, key=lambda r: (r[1], r[0])):
        for group in reversed(groups):
            last = group[-1]
            same_ends = abs(last[0] - rule[0]) < _ALIGNED and abs(last[2] - rule[2]) < _ALIGNED
            if same_ends:
                if rule[1] - last[1] < _FARTHEST and not _apart(last, rule, content.runs, body):
                    group.append(rule)
                else:
                    groups.append([rule])
                break
        else:
            groups.append([rule])
    return [group for group in groups if len(group) >= 2]


def _apart(upper: Box, lower: Box, runs: list[Run], body: float) -> bool:
    """What stands between two rules is not a table's: a caption, a command, or lines of prose."""
    text = [run for run in runs if inside(run.box, union([upper, lower]), 0.8)]
    rows = rows_of(text)
    if any(CAPTION.match(row[0].text) and row[0].box[0] < upper[0] + 0.5 * width(upper) for row in rows):
        return True
    if rows and _is_listing(rows) and all(_pieces(row, body) == 1 for row in rows):
        return True
    return len(rows) >= 3 and not _in_columns(rows, body)
