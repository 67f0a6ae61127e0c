"""What is inside a box or between four corners, as a picture of its own."""

import cv2
import numpy as np

LONGEST = 4096  # pixels: corners far apart on a huge picture are made smaller


def crop_box(image: np.ndarray, box) -> np.ndarray | None:
    """(h, w, 3) of an image (H, W, 3) within an xyxy box, cut at the picture's edge; None where nothing is left."""
    height, width = image.shape[:2]
    x0, y0 = (max(int(np.floor(side)), 0) for side in box[:2])
    x1, y1 = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    return image[y0:y1, x0:x1] if x1 > x0 and y1 > y0 else None


def straighten(image: np.ndarray, quad: np.ndarray) -> np.ndarray | None:
    """(h, w, 3): what lies between four corners of an image (H, W, 3), seen from straight above.

    Args:
        quad: (4, 2) x, y of the corners, clockwise from the top left one, where pixel (x, y) covers [x, x + 1] by
            [y, y + 1]. What lies outside of the image is black.

    Returns:
        sides as long as the longer one of each opposite pair, in pixels; None where a side is shorter than one.
    """
    quad = np.asarray(quad, np.float64)
    sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    width, height = (round(max(pair)) for pair in ((sides[0], sides[2]), (sides[1], sides[3])))
    if min(width, height) < 1:
        return None
    image, quad = _around(image, quad, scale := min(1.0, LONGEST / max(width, height)))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    # OpenCV's pixel (x, y) is a point: its centre in our coordinates is (x + 0.5, y + 0.5)
    mapping = cv2.getPerspectiveTransform((quad - 0.5).astype(np.float32), (target - 0.5).astype(np.float32))
    return cv2.warpPerspective(image, mapping, (width, height), flags=cv2.INTER_LINEAR)


def _around(image: np.ndarray, quad: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image that four corners may show, made smaller, and the corners in it: OpenCV 4 warps no picture
    with an edge of 32,767 pixels or more."""
    size = np.array(image.shape[1::-1])
    start = np.clip(np.floor(quad.min(0)).astype(int) - 1, 0, size - 1)
    end = np.clip(np.ceil(quad.max(0)).astype(int) + 1, start + 1, size)
    part, quad = image[start[1] : end[1], start[0] : end[0]], quad - start
    if scale == 1:
        return part, quad
    smaller = np.maximum(np.rint((end - start) * scale).astype(int), 1)
    return cv2.resize(part, smaller.tolist(), interpolation=cv2.INTER_AREA), quad * smaller / (end - start)
