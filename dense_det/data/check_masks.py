"""Masks of a COCO annotation: polygons or RLE that pycocotools can use, not empty, within their box.

Every function takes whatever JSON can hold and never raises.
"""

import numpy as np

from dense_det.data.check_kinds import MASK_TOLERANCE_PX
from dense_det.data.check_values import is_pixel, is_too_deep

# a pixel, but for rounding: polygons of less are drawn as nothing, or as a pixel or two that teach nothing
_MIN_AREA_PX2 = 0.99


def inspect_mask(segmentation, box, size: tuple[int, int] | None) -> tuple[str | None, list | dict | None]:
    """As `inspect_segmentation`, and a mask without a pixel, or one that reaches out of its xywh `box`.

    A mask is compared with the box as far as both lie on the image; `box` None is not compared.
    """
    kind, mask = inspect_segmentation(segmentation, size)
    if not mask:
        return kind, mask
    extent = _rle_extent(mask) if type(mask) is dict else _polygon_extent(mask)
    if extent is None:
        return "segmentation-empty", None
    if kind or box is None:
        return kind, mask
    if size is not None:
        extent = np.clip(extent, 0, [*size, *size])
    x, y, w, h = box
    beyond = max(x - extent[0], y - extent[1], extent[2] - x - w, extent[3] - y - h)
    return ("segmentation-outside-box" if beyond > MASK_TOLERANCE_PX else None), mask


def _polygon_extent(polygons: list) -> np.ndarray | None:
    """xyxy around polygons that have an area; None if all together have less than a pixel's."""
    points = [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons]
    areas = [abs(np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))) / 2 for p in points]
    if sum(areas) < _MIN_AREA_PX2:
        return None
    every = np.concatenate([p for p, area in zip(points, areas, strict=True) if area > 1e-6])
    return np.concatenate([every.min(0), every.max(0)])


def _rle_extent(rle: dict) -> np.ndarray | None:
    """xyxy around the ones of a valid RLE; None if there are none. Runs go down the columns: 0s, 1s, 0s, ..."""
    counts, height = rle["counts"], rle["size"][0]
    ends = np.cumsum(_decode_counts(counts) if type(counts) is str else counts)
    starts, ends = ends[:-1:2], ends[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(starts):
        return None
    first, last = starts // height, (ends - 1) // height
    whole = first != last  # a run over the end of a column reaches the bottom, and the top of the next
    top = np.where(whole, 0, starts % height).min()
    bottom = np.where(whole, height, (ends - 1) % height + 1).max()
    return np.array([first.min(), top, last.max() + 1, bottom], np.float64)


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
