"""Boxes on a page: (x0, y0, x1, y1) in points (1/72 inch), y down, origin at the page's top left."""

import cv2
import numpy as np

Box = tuple[float, float, float, float]


def width(box: Box) -> float:
    return box[2] - box[0]


def height(box: Box) -> float:
    return box[3] - box[1]


def area(box: Box) -> float:
    return max(0.0, width(box)) * max(0.0, height(box))


def union(boxes) -> Box:
    """The smallest box around `boxes` (at least one)."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def grown(box: Box, dx: float, dy: float | None = None) -> Box:
    dy = dx if dy is None else dy
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


def overlap_x(a: Box, b: Box) -> float:
    """Shared width; negative: the gap between them."""
    return min(a[2], b[2]) - max(a[0], b[0])


def overlap_y(a: Box, b: Box) -> float:
    """Shared height; negative: the gap between them."""
    return min(a[3], b[3]) - max(a[1], b[1])


def intersection(a: Box, b: Box) -> float:
    return max(0.0, overlap_x(a, b)) * max(0.0, overlap_y(a, b))


def touch(a: Box, b: Box) -> bool:
    return overlap_x(a, b) > 0 and overlap_y(a, b) > 0


def inside(a: Box, b: Box, share: float = 0.6) -> bool:
    """At least `share` of a's area lies in b; lines without area count by their thickened box."""
    a = grown(a, 0.05)
    return intersection(a, b) >= share * area(a)


def merge_touching(boxes: list[Box], gap: float = 0.0) -> list[Box]:
    """Unite boxes closer than `gap` until none are; meant for tens of boxes."""
    merged: list[Box] = []
    for box in boxes:
        near = [m for m in merged if touch(grown(box, gap), m)]
        while near:
            merged = [m for m in merged if m not in near]
            box = union([box, *near])
            near = [m for m in merged if touch(grown(box, gap), m)]
        merged.append(box)
    return merged


def group_near(boxes: list[Box], gap: float, page_size: tuple[float, float]) -> list[list[int]]:
    """Indices of boxes that hang together with gaps below `gap`; quick for thousands of boxes.

    They are painted on a mask of one cell per point, and its connected components are the groups.
    """
    if not boxes:
        return []
    columns, rows = (int(np.ceil(side)) + 1 for side in page_size)
    reach = np.array([-gap / 2, -gap / 2, gap / 2, gap / 2])
    cells = np.round(np.array(boxes) + reach).astype(int)
    cells = cells.clip(0, [columns - 1, rows - 1] * 2)
    mask = np.zeros((rows, columns), np.uint8)
    for x0, y0, x1, y1 in cells:
        mask[y0 : y1 + 1, x0 : x1 + 1] = 1
    _, labels = cv2.connectedComponents(mask, connectivity=8)
    groups: dict[int, list[int]] = {}
    for index, label in enumerate(labels[cells[:, 1], cells[:, 0]]):
        groups.setdefault(int(label), []).append(index)
    return list(groups.values())
