"""A flat document before a camera: pose, projection, light."""

import cv2
import numpy as np

SUPERSAMPLED = 2  # masks are drawn at so many times the picture's size: their outlines are right to a quarter pixel


def draw_pose(
    rng: np.random.Generator, size: tuple[int, int], frame: tuple[int, int], share: tuple[float, float]
) -> np.ndarray:
    """(4, 2) where the corners of a document are seen: its own top left first, clockwise as one reads it.

    A rotation in space (yaw, pitch within 35 degrees; in the picture's plane mostly upright, but any), a pinhole
    camera with a focal length of 1.3 times the picture's longer side, and a place that may cut the document a little.

    Args:
        size: (width, height) of the document.
        frame: (width, height) of the picture, in pixels.
        share: smallest and largest size, of the largest that fits.
    """
    width, height = size
    turn = rng.normal(0, 10) if rng.random() < 0.7 else rng.uniform(-180, 180)
    yaw, pitch = np.clip(rng.normal(0, 15, 2), -35, 35)
    rotation = _rotation(*np.radians([pitch, yaw, turn]))
    scale = rng.uniform(*share) * min(frame[0] / width, frame[1] / height)
    flat = np.array([[-width, -height, 0], [width, -height, 0], [width, height, 0], [-width, height, 0]]) / 2
    points = scale * flat @ rotation.T
    focal = 1.3 * max(frame)
    seen = points[:, :2] * (focal / (focal + points[:, 2:]))
    low, high = seen.min(0), seen.max(0)
    over = 0.06 * np.array(frame)
    first, last = -low - over, np.array(frame) - high + over
    place = np.where(last > first, rng.uniform(np.minimum(first, last), np.maximum(first, last)), (first + last) / 2)
    return seen + place


def _rotation(pitch: float, yaw: float, turn: float) -> np.ndarray:
    """(3, 3) about x, then y, then z; radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos([pitch, yaw, turn]), np.sin([pitch, yaw, turn])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def homography(size: tuple[int, int], quad: np.ndarray) -> np.ndarray:
    """(3, 3) that maps a document's pixels, corner to corner, onto a quad (4, 2) of the picture."""
    width, height = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return cv2.getPerspectiveTransform(corners, quad.astype(np.float32))


def warp_document(document: np.ndarray, quad: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) the document as the camera sees it, black around."""
    matrix = homography((document.shape[1], document.shape[0]), quad)
    # corner to corner: the centre of pixel 0 lies at 0.5
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(shift) @ matrix @ shift
    # fine print turns to noise unless it is blurred to the size at which it is seen
    shrink = np.sqrt(document.shape[0] * document.shape[1] / max(cv2.contourArea(quad.astype(np.float32)), 1))
    if shrink > 1.2:
        document = cv2.GaussianBlur(document, (0, 0), 0.42 * shrink)
    return cv2.warpPerspective(document, matrix, frame, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def document_mask(size: tuple[int, int], radius: float, quad: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """uint8 mask (H, W) times SUPERSAMPLED of a document with round corners.

    Args:
        radius: of the corners, in pixels of the document.
    """
    width, height = size
    outline = []
    for (x, y), start in zip(((width, 0), (width, height), (0, height), (0, 0)), (-90, 0, 90, 180)):
        angle = np.radians(np.linspace(start, start + 90, 7 if radius else 1))
        centre = np.array([x + radius if x == 0 else x - radius, y + radius if y == 0 else y - radius])
        outline.append(centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1))
    points = cv2.perspectiveTransform(np.concatenate(outline)[None], homography(size, quad))[0]
    mask = np.zeros((frame[1] * SUPERSAMPLED, frame[0] * SUPERSAMPLED), np.uint8)
    # pixel centres lie at halves; 4 fractional bits
    cv2.fillPoly(mask, [np.round((points * SUPERSAMPLED - 0.5) * 16).astype(np.int32)], 1, shift=4)
    return mask


def mask_polygons(mask: np.ndarray) -> list[list[float]]:
    """COCO polygons, in pixels of the picture, of a mask at SUPERSAMPLED times its size; specks are left out."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for contour in contours:
        if cv2.contourArea(contour) < 30 * SUPERSAMPLED**2:
            continue
        contour = cv2.approxPolyDP(contour, 0.9, True)
        if len(contour) >= 3:
            points = (contour.reshape(-1, 2) + 0.5) / SUPERSAMPLED
            polygons.append(points.reshape(-1).round(2).tolist())
    return polygons
