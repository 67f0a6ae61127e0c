"""Single values of a COCO annotation: is it what Detectron2 and the evaluators can use, and if not, what is it?

Every function takes whatever JSON can hold and never raises.
"""

import math
import re

from dense_det.data.check_kinds import BOX_TOLERANCE_PX, MAX_ID, MAX_NESTING, MAX_PX, MIN_SIDE_PX


def is_id(value) -> bool:
    """An integer in 0 ... 2**63 - 1 (True is not one)."""
    return type(value) is int and 0 <= value <= MAX_ID


def id_key(value):
    """What `value` identifies, to match ids that were written in two ways: 12, 12.0 and "12" all give 12.

    Other text and numbers stand for themselves; None for what cannot be an id (bool, null, list, object, NaN).
    """
    if type(value) is str:
        return int(value) if re.fullmatch(r"\d{1,18}", value, re.ASCII) else value
    if type(value) is float:
        return int(value) if math.isfinite(value) and value.is_integer() else None
    return value if type(value) is int else None


def is_number(value) -> bool:
    return type(value) in (int, float)


def is_finite(value) -> bool:
    """Whether a number stays finite as a float64 (an int of 400 digits does not)."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_pixel(value) -> bool:
    """A number that float32 can hold as a coordinate; NaN compares false."""
    return is_number(value) and -MAX_PX <= value <= MAX_PX


def inspect_box(box, size: tuple[int, int] | None) -> tuple[str | None, list | None]:
    """The kind of finding about an xywh `box` or None, and the box to use (clipped where it sticks out) or None.

    `size` is the image's (width, height), None if unknown.
    """
    if type(box) is not list:
        return "bbox-type", None
    if not all(is_number(v) for v in box):
        return "bbox-type", None
    if len(box) != 4:
        return "bbox-length", None
    if not all(is_pixel(v) for v in box):
        return "bbox-not-finite", None
    x, y, w, h = box
    if w < 0 or h < 0:
        return "bbox-negative", None
    if min(w, h) < MIN_SIDE_PX:
        return "bbox-zero", None
    if size is None:
        return None, box
    width, height = size
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if min(right - left, bottom - top) < MIN_SIDE_PX:
        return "bbox-outside", None
    if max(-x, -y, x + w - width, y + h - height) > BOX_TOLERANCE_PX:
        return "bbox-partly-outside", [left, top, right - left, bottom - top]
    return None, box


def is_keypoints(keypoints) -> bool:
    """A list of x, y, visibility triples."""
    if type(keypoints) is not list or len(keypoints) % 3:
        return False
    return all(is_pixel(v) for v in keypoints)


def is_quad(quad) -> bool:
    """The x and y of four corners, which may lie outside of the image."""
    return type(quad) is list and len(quad) == 8 and all(is_pixel(v) for v in quad)


def is_too_deep(value) -> bool:
    """Whether lists and objects nest more than `MAX_NESTING` levels deep; does not recurse itself."""
    level, depth = [value], 0
    while level := [v for v in level if type(v) in (list, dict)]:
        depth += 1
        if depth > MAX_NESTING:
            return True
        level = [inner for v in level for inner in (v.values() if type(v) is dict else v)]
    return False
