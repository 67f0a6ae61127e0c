"""Single values of a COCO annotation: is it what Detectron2 and the evaluators can use, and if not, what is it?

Every function takes whatever JSON can hold and never raises.
"""

import math
import re

import numpy as np

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


def inspect_segmentation(segmentation, size: tuple[int, int] | None) -> tuple[str | None, list | dict | None]:
    """The kind of finding about polygons or an RLE, or None, and the segmentation to use or None.

    `size` is the image's (width, height), None if unknown; an RLE must be of that size.
    """
    if type(segmentation) is dict:
        return (None, segmentation) if _is_rle(segmentation, size) else ("segmentation", None)
    if type(segmentation) is not list:
        return "segmentation", None
    good = [polygon for polygon in segmentation if _is_polygon(polygon)]
    if not good:
        return "segmentation", None
    if len(good) == len(segmentation):
        return None, segmentation
    # Detectron2 leaves out short and odd polygons by itself; what has no length or no numbers makes it fail
    left_out = all(type(p) is list and (len(p) < 6 or len(p) % 2) for p in segmentation if not _is_polygon(p))
    return "segmentation-partly" if left_out else "segmentation", good


def _is_polygon(polygon) -> bool:
    if type(polygon) is not list or len(polygon) < 6 or len(polygon) % 2:
        return False
    return all(is_pixel(v) for v in polygon)


def _is_rle(rle: dict, size: tuple[int, int] | None) -> bool:
    if is_too_deep(rle):
        return False
    counts, shape = rle.get("counts"), rle.get("size")
    if type(shape) is not list or len(shape) != 2 or not all(type(v) is int and 0 < v < 2**31 for v in shape):
        return False
    if size is not None and tuple(shape) != (size[1], size[0]):  # an RLE's size is (height, width)
        return False
    if type(counts) is str:
        counts = _decode_counts(counts)
    if type(counts) is not list or not all(type(v) is int and 0 <= v < 2**32 for v in counts):
        return False
    return sum(counts) == shape[0] * shape[1]


def _decode_counts(text: str) -> list[int] | None:
    """The run lengths of COCO's compressed RLE: 5 bits a character, low first, bit 6 goes on, deltas to two runs ago.

    None if the text is not such a code. pycocotools would read past its end without noticing.
    """
    if not text.isascii() or not text:
        return None
    codes = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    if codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        return None
    ends = np.flatnonzero(codes & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 35 bits: more than any run
        return None
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    deltas = np.add.reduceat((codes & 31) << shifts, starts)
    deltas -= np.where(codes[ends] & 16, 1 << (5 * lengths), 0)  # the last character's bit 5 is the sign
    deltas[1::2] = np.cumsum(deltas[1::2])
    deltas[2::2] = np.cumsum(deltas[2::2])
    return deltas.tolist()


def is_keypoints(keypoints) -> bool:
    """A list of x, y, visibility triples."""
    if type(keypoints) is not list or len(keypoints) % 3:
        return False
    return all(is_pixel(v) for v in keypoints)


def is_too_deep(value) -> bool:
    """Whether lists and objects nest more than `MAX_NESTING` levels deep; does not recurse itself."""
    level, depth = [value], 0
    while level := [v for v in level if type(v) in (list, dict)]:
        depth += 1
        if depth > MAX_NESTING:
            return True
        level = [inner for v in level for inner in (v.values() if type(v) is dict else v)]
    return False
