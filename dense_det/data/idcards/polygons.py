"""Masks as COCO polygons."""

import cv2
import numpy as np

_LEAST_AREA = 12  # pixels: specks between two edges are no part that anyone would outline
_TOLERANCE = 0.4  # pixels that a polygon may leave the mask's own stairs


def without_specks(mask: np.ndarray) -> np.ndarray:
    """`mask` (H, W) uint8 of 0 and 1 with specks of a few pixels removed, and such holes filled."""
    for value in (0, 1):
        count, labels, stats, _ = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8), connectivity=4)
        small = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] < _LEAST_AREA]
        if small:
            mask = np.where(np.isin(labels, small), np.uint8(1 - value), mask)
    return mask


def mask_polygons(mask: np.ndarray) -> list[list[float]]:
    """The outlines of a mask (H, W) of 0 and 1 as COCO polygons [x1, y1, x2, y2, ...] in pixels.

    COCO's polygons are added up and cannot have holes: a mask with a hole is cut in two through it.
    """
    # doubled, so that the outline runs near the pixels' borders and not through their centres
    doubled = cv2.resize(mask, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    holes = [contour for contour, links in zip(contours, hierarchy[0] if len(contours) else []) if links[3] >= 0]
    if holes:
        x, _, width, _ = cv2.boundingRect(holes[0])
        cut = (x + width // 2) // 2
        left, right = mask.copy(), mask.copy()
        left[:, cut:], right[:, :cut] = 0, 0
        if left.any() and right.any():
            return mask_polygons(left) + mask_polygons(right)
    polygons = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, 2 * _TOLERANCE, True)
        if len(points) >= 3:
            polygons.append(((points.reshape(-1) + 0.5) / 2).tolist())
    return polygons


def mask_box(mask: np.ndarray) -> list[int]:
    """xywh of the pixels that are 1; there must be one."""
    x, y, width, height = cv2.boundingRect(mask)
    return [x, y, width, height]
