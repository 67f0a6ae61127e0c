"""How well the four corners of documents are found."""

import cv2
import numpy as np

from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth

GOOD = 0.9  # IoU of a quadrilateral from which a document can be straightened without losing a line


def quad_metrics(truth: GroundTruth, detections: Detections, matches: np.ndarray) -> dict[str, float]:
    """Of all documents with known corners, in percent; {} if there are none.

    IoU: mean of the quadrilaterals' IoU, where a document that was not found counts 0; IoU90: share with an IoU of
    0.9 or more. Of those that were found: found_IoU; corner_error, the mean distance of corresponding corners in
    percent of the document's diagonal; first_corner, the share whose first corner is the document's top left.

    Args:
        detections: those above the thresholds in use.
        matches: (R,) row of the ground truth that each found, see matching.match; negative for none.
    """
    documents = np.isfinite(truth.quads).all((1, 2)) & ~truth.crowd
    if not documents.any():
        return {}
    found = [(row, match) for row, match in enumerate(matches) if match >= 0 and documents[match]]
    ious = np.array([quad_iou(detections.quads[row], truth.quads[match]) for row, match in found])
    errors = np.array([corner_errors(detections.quads[row], truth.quads[match]) for row, match in found]).reshape(-1, 4)
    return {
        "IoU": 100 * float(ious.sum() / documents.sum()),
        "IoU90": 100 * float((ious >= GOOD).sum() / documents.sum()),
        "found_IoU": 100 * float(ious.mean()) if found else float("nan"),
        "corner_error": 100 * float(errors.min(1).mean()) if found else float("nan"),
        "first_corner": 100 * float((errors.argmin(1) == 0).mean()) if found else float("nan"),
    }


def quad_iou(first: np.ndarray, second: np.ndarray) -> float:
    """IoU of two quadrilaterals (4, 2); of their convex hulls, should one cross itself or be dented."""
    first, second = (cv2.convexHull(np.asarray(quad, np.float32)) for quad in (first, second))
    areas = cv2.contourArea(first) + cv2.contourArea(second)
    shared = cv2.intersectConvexConvex(first, second)[0]
    return float(shared / (areas - shared)) if areas > shared else 0.0


def corner_errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(4,) mean distance of the corners over the true diagonal, if `found` begins with its corner 0, 1, 2 or 3."""
    diagonal = (np.linalg.norm(true[2] - true[0]) + np.linalg.norm(true[3] - true[1])) / 2
    turns = np.stack([np.roll(found, -k, axis=0) for k in range(4)])
    return np.linalg.norm(turns - true, axis=2).mean(1) / max(diagonal, 1e-9)
