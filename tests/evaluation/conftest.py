import numpy as np
import pytest

from dense_det.evaluation.detections import gather_detections
from dense_det.evaluation.ground_truth import GroundTruth


@pytest.fixture
def make_truth():
    """GroundTruth of rows (image, class, x, y, w, h[, crowd]) on images 0 ... N - 1, all 200 x 100."""

    def make(rows, num_images=3, class_names=("a", "b", "c")):
        rows = sorted(rows, key=lambda row: row[0])
        boxes = np.array([row[2:6] for row in rows], dtype=np.float64).reshape(-1, 4)
        return GroundTruth(
            images=[{"id": k, "file_name": f"{k}.png", "width": 200, "height": 100} for k in range(num_images)],
            class_names=list(class_names),
            category_ids=list(range(len(class_names))),
            image=np.array([row[0] for row in rows], dtype=np.int64),
            boxes_xywh=boxes,
            classes=np.array([row[1] for row in rows], dtype=np.int64),
            crowd=np.array([len(row) > 6 and bool(row[6]) for row in rows], dtype=bool),
            area=boxes.prod(1),
        )

    def make_detections(truth, rows):
        """Detections of rows (image, class, x, y, w, h, score)."""
        by_image = {}
        for image, k, x, y, w, h, score in rows:
            by_image.setdefault(image, []).append(([x, y, x + w, y + h], score, k))
        predictions = [
            (
                image,
                np.array([box for box, _, _ in found], dtype=np.float32),
                np.array([score for _, score, _ in found], dtype=np.float32),
                np.array([k for _, _, k in found], dtype=np.int16),
            )
            for image, found in by_image.items()
        ]
        return gather_detections(predictions, truth)

    make.detections = make_detections
    return make


@pytest.fixture
def scene(make_truth):
    """Three images; class a is found once, confused once and missed once; b is doubled; c has no boxes to find.

    In order of score on image 0: a found (.9), "c" on b's place (.8), b found (.7), b again (.6);
    on image 1: "b" on a's place (.9), a on a crowd (.5); on image 2: a on nothing (.4), one a is missed.
    """
    truth = make_truth(
        [
            (0, 0, 0, 0, 20, 20),
            (0, 1, 50, 0, 20, 20),
            (1, 0, 0, 0, 40, 20),
            (1, 0, 100, 0, 50, 50, True),
            (2, 0, 100, 50, 20, 20),
        ]
    )
    detections = make_truth.detections(
        truth,
        [
            (2, 0, 0, 0, 30, 30, 0.4),
            (0, 0, 0, 0, 20, 20, 0.9),
            (0, 1, 50, 0, 20, 20, 0.7),
            (0, 2, 50, 0, 20, 18, 0.8),
            (0, 1, 50, 1, 20, 20, 0.6),
            (1, 1, 0, 0, 40, 20, 0.9),
            (1, 0, 110, 10, 20, 20, 0.5),
        ],
    )
    return truth, detections
