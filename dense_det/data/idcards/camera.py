"""A flat document before a pinhole camera: where its points fall in the picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from dense_det.data.idcards.chance import pick

_FOCAL = 1.3  # focal length over the longer side of the picture: a telephone's main camera


@dataclass(frozen=True, slots=True)
class Pose:
    """How a document lies before the camera.

    Attributes:
        center: of the document, in pixels of the picture.
        scale: pixels of the picture for one of the document's, were it not tilted.
        turn: clockwise in the picture's plane, in radians; pi is upside down.
        tilt: out of that plane, around the picture's x and y axes, in radians.
    """

    center: tuple[float, float]
    scale: float = 1.0
    turn: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)


def project(size: tuple[int, int], pose: Pose, picture: tuple[int, int]) -> np.ndarray:
    """(4, 2) corners, in pixels of the picture, of a document of (width, height); clockwise from its own top left.

    Coordinates run from 0 at the left and upper border; the first pixel's centre is at 0.5.
    """
    width, height = size
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * (width / 2, height / 2, 0) * pose.scale
    (sin, cos), (sx, sy) = (np.sin(pose.turn), np.cos(pose.turn)), np.sin(pose.tilt)
    cx, cy = np.cos(pose.tilt)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    points = corners @ (about_y @ about_x @ turn).T
    focal = _FOCAL * max(picture)
    return points[:, :2] * (focal / (focal + points[:, 2:])) + pose.center


def random_pose(rng: np.random.Generator, size, picture, share: tuple[float, float]) -> Pose:
    """A pose in which the document's longer side takes a share of the picture's shorter side; upright in most cases."""
    scale = rng.uniform(*share) * min(picture) / max(size)
    turn = pick(rng, ["upright", "quarters", "any"], [0.62, 0.2, 0.18])
    if turn == "upright":
        angle = rng.normal(0, 0.22)
    elif turn == "quarters":
        angle = rng.integers(1, 4) * np.pi / 2 + rng.normal(0, 0.15)
    else:
        angle = rng.uniform(-np.pi, np.pi)
    tilt = np.clip(rng.normal(0, 0.3, 2), -0.75, 0.75)
    # off the middle such that some are cut by the frame
    center = [rng.uniform(0.5 - spread, 0.5 + spread) * side for spread, side in zip((0.34, 0.34), picture)]
    return Pose((float(center[0]), float(center[1])), float(scale), float(angle), (float(tilt[0]), float(tilt[1])))


def homography(size: tuple[int, int], quad: np.ndarray) -> np.ndarray:
    """(3, 3): the document's coordinates (0 to width, 0 to height) -> the picture's."""
    width, height = size
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return cv2.getPerspectiveTransform(source, quad.astype(np.float32))


def warp(image: np.ndarray, quad: np.ndarray, picture: tuple[int, int]) -> np.ndarray:
    """`image` seen in the quad of a picture of (width, height); 0 outside. Shrunk by area first, against moire."""
    height, width = image.shape[:2]
    sides = np.linalg.norm(quad - np.roll(quad, -1, 0), axis=1)
    shrink = max(sides[0], sides[2]) / width, max(sides[1], sides[3]) / height
    if min(shrink) < 0.8:
        small = [max(8, round(side * min(1, 1.2 * s))) for side, s in zip((width, height), shrink)]
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
    # OpenCV's coordinates are those of pixel centres, ours those of their borders
    to_border = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(to_border) @ homography((width, height), quad) @ to_border
    return cv2.warpPerspective(image, matrix, picture, flags=cv2.INTER_LINEAR)


def quad_area(quad: np.ndarray) -> float:
    """Shoelace formula; of the whole document, also where it is outside of the picture."""
    x, y = quad.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
