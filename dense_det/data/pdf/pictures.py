"""Pictures: embedded images and drawings, and line art made of the page's own paths, with the words that label it."""

from collections import Counter

from dense_det.data.pdf.content import Content, Run
from dense_det.data.pdf.geometry import (
    Box,
    area,
    group_near,
    grown,
    height,
    inside,
    merge_touching,
    overlap_x,
    overlap_y,
    touch,
    union,
    width,
)
from dense_det.data.pdf.lines import CAPTION, Line, body_size, lines_of
from dense_det.data.pdf.tables import looks_tabular

# paths this close belong to one drawing; a page with more of them is a map or a scatter plot all over
_ART_GAP = 7.0
_MOST_PATHS = 20000
# panels of one figure stand at most this far apart, side by side and one above the other
_PANEL_GAP_X, _PANEL_GAP_Y, _LOOSE_GAP = 50.0, 50.0, 120.0
# words and symbols of one legend are this close
_LEGEND_GAP = 12.0


def find_pictures(content: Content) -> tuple[list[Box], list[Box]]:
    """(pictures, grids): grids are groups of lines that hold text in columns, for `find_tables`."""
    body = body_size(content.runs)
    drawn, grids, bits = _line_art(content, body)
    own_lines = lines_of([r for r in content.runs if not r.embedded], body) if content.pictures else []
    embedded = [_cut_at_prose(p, own_lines) for p in content.pictures if not _is_behind_text(p, content.runs)]
    pictures = merge_touching(embedded + drawn, 4.0)
    pictures = [p for p in pictures if width(p) > 25 and height(p) > 20]
    for _ in range(4):
        before = pictures
        labels = find_labels(pictures, content.runs, body)
        pictures = merge_touching([_with_labels(picture, labels) for picture in pictures])
        others = [run for run in content.runs if not any(run is label for label in labels)]
        pictures = _with_legends(pictures, labels, bits, others, content)
        pictures = _join_panels(pictures, others)
        if pictures == before:
            break
    return pictures, [g for g in grids if not any(touch(g, p) for p in pictures)]


def _is_behind_text(picture: Box, runs: list[Run]) -> bool:
    """A watermark: lines of text run across its edge."""
    crossing = [
        run
        for run in runs
        if len(run.text) > 12 and not run.rotated and touch(run.box, picture) and not inside(run.box, picture, 0.9)
        if overlap_y(run.box, picture) > 0.8 * height(run.box) and overlap_x(run.box, picture) > 15
    ]
    return len(crossing) >= 2


def _cut_at_prose(picture: Box, lines: list[Line]) -> Box:
    """Without the clipped-away rim of an embedded drawing, over which the page's own `lines` of prose stand."""
    middle = (picture[1] + picture[3]) / 2
    for line in lines:
        if line.num_chars < 25 or not inside(line.box, picture, 0.4) and overlap_x(line.box, picture) < 100:
            continue
        if overlap_y(line.box, picture) <= 0:
            continue
        if line.box[1] > middle:
            picture = (picture[0], picture[1], picture[2], line.box[1] - 1)
        elif line.box[3] < middle:
            picture = (picture[0], line.box[3] + 1, picture[2], picture[3])
    return picture


def _prose_family(runs: list[Run]) -> str:
    """The family of fonts that most long runs are set in."""
    families = Counter(run.font.family for run in runs if len(run.text) > 12 and not run.rotated)
    return families.most_common(1)[0][0] if families else ""


def _is_shade_of_code(shape: Box, runs: list[Run]) -> bool:
    """The coloured ground of a listing."""
    if width(shape) < 100 or height(shape) < 8:
        return False
    text = [run for run in runs if inside(run.box, shape)]
    return bool(text) and sum(run.font.is_mono for run in text) > 0.7 * len(text)


def _line_art(content: Content, body: float) -> tuple[list[Box], list[Box], list[Box]]:
    """(pictures, grids, bits): bits are too small to be pictures, but may be parts of one, as a colour key is."""
    shapes = [shape for shape in content.shapes if not _is_shade_of_code(shape, content.runs)]
    paths = shapes + content.rules + content.posts
    if not 0 < len(paths) <= _MOST_PATHS:
        return [], [], []
    num_shapes, num_rules = len(shapes), len(content.rules)
    pictures, grids, bits = [], [], []
    for group in group_near(paths, _ART_GAP, (content.width, content.height)):
        box = union([paths[i] for i in group])
        # a filled or framed rectangle behind everything says nothing about what stands on it
        backdrops = sum(i < num_shapes and area(paths[i]) > 0.7 * area(box) for i in group)
        num_drawn = sum(i < num_shapes for i in group) - backdrops
        rules = [paths[i] for i in group if num_shapes <= i < num_shapes + num_rules]
        posts = len(group) - num_drawn - backdrops - len(rules)
        share = area(box) / (content.width * content.height)
        if share > 0.85:
            continue  # a border, or crop marks
        if width(box) < 30 or height(box) < 25 or share < 0.006:
            if num_drawn or backdrops or posts:
                bits.append(box)
            continue
        text = [run for run in content.runs if inside(run.box, box)]
        kind = _kind_of_art(box, num_drawn, rules, posts, backdrops, text, body)
        if kind == "picture":
            pictures.append(box)
        elif kind == "grid":
            grids.append(box)
    return pictures, grids, bits


def _kind_of_art(
    box: Box, shapes: int, rules: list[Box], posts: int, backdrops: int, text: list[Run], body: float
) -> str | None:
    """ "picture", "grid" (text in ruled columns) or None (a frame, a background, lone rules)."""
    num_chars = sum(len(run.text) for run in text)
    full_rules = sum(width(rule) > 0.9 * width(box) for rule in rules)
    prose = sum(len(run.text) for run in text if run.size > 0.85 * body and not run.font.is_sans)
    strokes = shapes + len(rules) + posts
    if strokes < 3:
        # one filled shape without words is a picture; with words it is a background or a frame
        return "picture" if shapes + backdrops and not text and min(height(box), width(box)) > 40 else None
    if sum(len(run.text) for run in text if run.font.is_mono) > 0.6 * num_chars > 0:
        return None  # a framed listing
    if num_chars > 20 and full_rules >= 2 and shapes < 6 and looks_tabular(text, body):
        return "grid"
    if full_rules >= 2 and posts < 4 and shapes < 6:
        return None
    if shapes < 8 and prose > 0.5 * num_chars and num_chars > 20:
        return "grid" if looks_tabular(text, body) else None
    if num_chars < 0.012 * area(box) and len(text) < 4 * strokes + 4:
        return "picture"
    return "grid" if looks_tabular(text, body) else None


def find_labels(pictures: list[Box], runs: list[Run], body: float) -> list[Run]:
    """Words outside `pictures` that are set as the words in them are: axis titles, ticks, legends, panel titles.

    Whole lines only: a subscript in a sentence is as small as a tick label.
    """
    if not pictures:
        return []
    body_family = _prose_family(runs)
    families = {run.font.family for run in runs if any(inside(run.box, p) for p in pictures)}
    near = [grown(p, 12.0) for p in pictures]
    for run in runs:  # tick labels outside a plot that has no word inside
        if run.rotated or (run.font.is_sans and len(run.text) < 8 and any(touch(run.box, n) for n in near)):
            families.add(run.font.family)
    families.discard(body_family)

    def fits(run: Run) -> bool:
        own_font = run.font.family in families and not run.font.is_math and run.size < 2 * body
        return len(run.text) < 60 and (own_font or (run.size < 0.9 * body and len(run.text) < 28))

    outside = [run for run in runs if not any(inside(run.box, p, 0.95) for p in pictures)]
    labels = [run for run in outside if run.rotated]
    for line in lines_of(outside, body):
        if all(fits(run) for run in line.runs) and any(not run.font.is_math for run in line.runs):
            labels += line.runs
    return labels


def _with_labels(picture: Box, labels: list[Run]) -> Box:
    """Grown over the words at its rim."""
    for _ in range(4):
        near, far = grown(picture, 14.0), grown(picture, 24.0)
        found = [
            run.box
            for run in labels
            if touch(run.box, near)
            and not inside(run.box, picture, 0.95)
            and (inside(run.box, far, 0.95) or min(overlap_x(run.box, picture) / width(run.box), 1) > 0.9)
        ]
        if not found:
            break
        picture = union([picture, *found])
    return picture


def _with_legends(pictures: list[Box], labels: list[Run], bits: list[Box], others: list[Run], content: Content):
    """Pictures grown over keys and titles that stand apart, with no other text in between."""
    boxes = [label.box for label in labels] + bits
    free = [i for i, box in enumerate(boxes) if not any(inside(box, p, 0.95) for p in pictures)]
    pictures = list(pictures)
    for group in group_near([boxes[i] for i in free], _LEGEND_GAP, (content.width, content.height)):
        members = [free[i] for i in group]
        key = union([boxes[i] for i in members])
        for index, picture in enumerate(pictures):
            if _same_figure(picture, key, others):
                pictures[index] = union([picture, key])
                break
    return pictures


def _join_panels(pictures: list[Box], runs: list[Run]) -> list[Box]:
    """Unite panels of one figure: in line with each other, close, and no text in between."""
    pictures = list(pictures)
    joined = True
    while joined:
        joined = False
        for i, a in enumerate(pictures):
            for j in range(i + 1, len(pictures)):
                if _same_figure(a, pictures[j], runs):
                    pictures[i] = union([a, pictures.pop(j)])
                    joined = True
                    break
            if joined:
                break
    return pictures


def _same_figure(a: Box, b: Box, runs: list[Run]) -> bool:
    beside = -_PANEL_GAP_X < overlap_x(a, b) <= 0 and overlap_y(a, b) > 0.6 * min(height(a), height(b))
    # panels with the same edges are drawn as one figure, however loosely
    gap_y = _LOOSE_GAP if max(abs(a[0] - b[0]), abs(a[2] - b[2])) < 6 else _PANEL_GAP_Y
    stacked = -gap_y < overlap_y(a, b) <= 0 and overlap_x(a, b) > 0.6 * min(width(a), width(b))
    if not (beside or stacked):
        return touch(a, b)
    if beside and _is_captioned(a, runs) and _is_captioned(b, runs):
        return False
    if beside:
        between = (min(a[2], b[2]), max(a[1], b[1]), max(a[0], b[0]), min(a[3], b[3]))
    else:
        between = (max(a[0], b[0]), min(a[3], b[3]), min(a[2], b[2]), max(a[1], b[1]))
    return not any(_stands_in(run.box, between) for run in runs)


def _is_captioned(picture: Box, runs: list[Run]) -> bool:
    """A caption of its own begins right below it."""
    below = (picture[0] - 5, picture[3], (picture[0] + picture[2]) / 2, picture[3] + 40)
    return any(CAPTION.match(run.text) and touch((*run.box[:2], run.box[0] + 1, run.box[3]), below) for run in runs)


def _stands_in(text: Box, gap: Box) -> bool:
    across = overlap_x(text, gap) > 0.3 * min(width(text), width(gap))
    return across and overlap_y(text, gap) > 0.5 * height(text)


def shrink_to_ink(box: Box, ink) -> Box:
    """`box` without its white margins; `ink` is a (H, W) bool array, one cell per point.

    Embedded drawings come with background rectangles and clipped-away parts that no reader sees.
    """
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    part = ink[y0 : int(box[3]) + 1, x0 : int(box[2]) + 1]
    rows, columns = part.any(1).nonzero()[0], part.any(0).nonzero()[0]
    if not len(rows):
        return box
    return (
        max(box[0], float(x0 + columns[0])),
        max(box[1], float(y0 + rows[0])),
        min(box[2], float(x0 + columns[-1] + 1)),
        min(box[3], float(y0 + rows[-1] + 1)),
    )
