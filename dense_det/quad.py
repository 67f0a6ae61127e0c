"""The four corners of a card or a page, from its mask."""

from itertools import combinations

import cv2
import numpy as np

MAX_HULL = 14  # points of the hull among which corners are looked for: 1,001 quadrilaterals
# only the middle of a side tells its line: predicted masks have round corners
MIDDLE = (0.12, 0.88)
LEAST_SIDE = 4  # pixels: a shorter side has too few points for a line
PIXEL = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])  # its corners, from its centre
FAR_CORNER = 0.15  # of the quadrilateral's diagonal: lines that meet farther from a corner than this are no sides


def masks_to_quads(masks: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(R, 4, 2) float32 x, y of the corners, in pixels; see mask_to_quad.

    Args:
        masks: (R, H, W) bool.
        boxes: (R, 4) xyxy around them, whose corners stand for those of an empty mask.
    """
    quads = np.zeros((len(masks), 4, 2), np.float32)
    for row, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        x0, y0, x1, y1 = box
        left, top = max(int(x0), 0), max(int(y0), 0)
        # a mask lies in its box: the rest of the picture need not be looked at
        quad = mask_to_quad(mask[top : int(np.ceil(y1)) + 1, left : int(np.ceil(x1)) + 1])
        quads[row] = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)] if quad is None else quad + (left, top)
    return quads


def mask_to_quad(mask: np.ndarray) -> np.ndarray | None:
    """(4, 2) float64 corners of the quadrilateral that a mask (H, W) shows, clockwise; None for an empty mask.

    The largest quadrilateral between points of the hull gives the sides, a line fitted to the outline along each
    side gives the corners, to a fraction of a pixel: pixel (x, y) covers [x, x + 1] by [y, y + 1]. Of a mask too
    small for lines the corners are those of its pixels.

    A mask does not tell which way a document is held: the first corner is the top left one if the document was
    turned by less than 45 degrees, either way.
    """
    outline = _outline(mask)
    if outline is None:
        return None
    corners = _largest_quad(outline)
    return start_at_top_left(_refine(corners, outline))


def start_at_top_left(corners: np.ndarray) -> np.ndarray:
    """The corners (4, 2), clockwise as seen, beginning with the left end of the side that is nearest to a top side."""
    x, y = corners.T
    if np.dot(x, np.roll(y, -1)) < np.dot(y, np.roll(x, -1)):  # with y downwards a positive area is clockwise
        corners = corners[::-1]
    sides = np.roll(corners, -1, axis=0) - corners
    length = np.linalg.norm(sides, axis=1)
    # of the two sides that run to the right the longer run decides: a top side runs right, a bottom side left
    return np.roll(corners, -int(np.argmax(sides[:, 0] / np.maximum(length, 1e-9))), axis=0)


def _outline(mask: np.ndarray) -> np.ndarray | None:
    """(P, 2) float64 centres of the pixels around the largest part of a mask."""
    mask = np.ascontiguousarray(mask, dtype=np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    return max(contours, key=cv2.contourArea).reshape(-1, 2) + 0.5


def _largest_quad(points: np.ndarray) -> np.ndarray:
    """(4, 2) the quadrilateral of the largest area between points of the hull, in the hull's order."""
    hull = cv2.convexHull(points.astype(np.float32)).reshape(-1, 2).astype(np.float64)
    tolerance = 0.5
    while len(hull) > MAX_HULL:
        hull = cv2.approxPolyDP(hull.astype(np.float32), tolerance, True).reshape(-1, 2).astype(np.float64)
        tolerance *= 1.5
    if len(hull) < 4:  # a line, or a triangle: no sides to find
        return cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))).astype(np.float64)
    choices = np.array(list(combinations(range(len(hull)), 4)))
    x, y = hull[choices, 0], hull[choices, 1]
    area = np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(1))
    return hull[choices[np.argmax(area)]]


def _refine(corners: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Corners where lines along the outline meet; a corner whose lines tell nothing is the outer one of its pixel.

    Where lines tell none as a side is too short, the largest quadrilateral between the corners of the outline's pixels.
    """
    centre = corners.mean(0)
    lines = [_fit_side(corners[k], corners[(k + 1) % 4], outline, centre) for k in range(4)]
    diagonal = np.linalg.norm(corners.max(0) - corners.min(0))
    # an outline is of pixel centres: where no line was moved to the pixels' edge, half a pixel away from the centre is
    refined = corners + 0.5 * np.sign(np.round(corners - centre, 6))
    found = False
    for k in range(4):
        meeting = _meet(lines[k - 1], lines[k])
        if meeting is not None and np.linalg.norm(meeting - corners[k]) <= FAR_CORNER * diagonal:
            refined[k], found = meeting, True
    shortest = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).min()
    if not found and shortest < LEAST_SIDE:
        return _largest_quad((outline[:, None] + PIXEL).reshape(-1, 2))
    return refined


def _fit_side(start: np.ndarray, end: np.ndarray, outline: np.ndarray, centre: np.ndarray):
    """(point, direction) of the line along the outline between two corners, half a pixel outwards: the edge of the
    pixels; None where too few points lie there."""
    along = end - start
    length = np.linalg.norm(along)
    if length < LEAST_SIDE:
        return None
    along = along / length
    normal = np.array([along[1], -along[0]])
    if (centre - start) @ normal > 0:
        normal = -normal
    offset = outline - start
    place, distance = offset @ along / length, np.abs(offset @ normal)
    near = (place > MIDDLE[0]) & (place < MIDDLE[1]) & (distance < max(0.08 * length, 2))
    if near.sum() < 4:
        return None
    dx, dy, x, y = cv2.fitLine(outline[near].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel().astype(float)
    outwards = np.array([dy, -dx])
    if outwards @ normal < 0:
        outwards = -outwards
    # the edge of a staircase of pixel centres: half a pixel along an axis, less along a diagonal line
    reach = 0.5 * max(abs(outwards[0]), abs(outwards[1]))
    return np.array([x, y]) + reach * outwards, np.array([dx, dy])


def _meet(first, second) -> np.ndarray | None:
    if first is None or second is None:
        return None
    (p, u), (q, v) = first, second
    cross = u[0] * v[1] - u[1] * v[0]
    if abs(cross) < 0.05:  # within 3 degrees of parallel
        return None
    w = q - p
    return p + u * (w[0] * v[1] - w[1] * v[0]) / cross
