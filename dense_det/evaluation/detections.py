"""All detections on a data set as compact arrays."""

import json
import logging
from dataclasses import dataclass

import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.evaluation.ground_truth import GroundTruth

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Detections:
    """R boxes, ordered by image and then by falling score."""

    image: np.ndarray  # (R,) place of the image in GroundTruth.images
    boxes_xywh: np.ndarray  # (R, 4) float64
    scores: np.ndarray  # (R,) float64
    classes: np.ndarray  # (R,)

    def select(self, keep) -> "Detections":
        """The rows of a mask (R,)."""
        return Detections(self.image[keep], self.boxes_xywh[keep], self.scores[keep], self.classes[keep])

    def rows(self) -> np.ndarray:
        """(R, 7) image, x, y, w, h, score, class: what `coco_stats` takes beside `GroundTruth.coco()`."""
        return np.column_stack([self.image, self.boxes_xywh, self.scores, self.classes])


def gather_detections(predictions, truth: GroundTruth) -> Detections:
    """One `Detections` of the predictions of all images, in an order that depends on nothing but them.

    Args:
        predictions: (image id, boxes (R, 4) float32 xyxy, scores (R,), classes (R,)) of each image, in any order.

    Raises:
        ValueError: an image that the ground truth does not know, or a class beyond its classes.
    """
    place = {image["id"]: k for k, image in enumerate(truth.images)}
    strangers = [image_id for image_id, *_ in predictions if image_id not in place]
    if strangers:
        raise ValueError(
            f"predictions on {len(strangers)} images that are not in the ground truth (image_id {strangers[0]!r}): "
            "do the data loader and the evaluator read the same data set?"
        )
    predictions = sorted(predictions, key=lambda prediction: place[prediction[0]])
    sizes = [len(scores) for _, _, scores, _ in predictions]
    image = np.repeat([place[image_id] for image_id, *_ in predictions], sizes).astype(np.int64)
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(p[1].reshape(-1, 4) for p in predictions)])
    scores = np.concatenate([np.zeros(0, np.float32), *(p[2] for p in predictions)]).astype(np.float64)
    classes = np.concatenate([np.zeros(0, np.int64), *(p[3] for p in predictions)]).astype(np.int64)
    if len(classes) and not 0 <= classes.min() <= classes.max() < len(truth.class_names):
        raise ValueError(
            f"a prediction has class {classes.max()}, but the data set has only {len(truth.class_names)} classes: "
            "does the model's NUM_CLASSES fit the data?"
        )
    finite = np.isfinite(boxes).all(1) & np.isfinite(scores)
    if not finite.all():
        logger.warning("%d detections with NaN or infinite boxes or scores are left out", (~finite).sum())
    # width and height in float32, as Detectron2 computes them: the same AP to the last digit
    boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    order = np.lexsort((-scores, image))
    return Detections(image, boxes, scores, classes).select(order[finite[order]])


def write_results(path, detections: Detections, truth: GroundTruth) -> None:
    """Write COCO's results format, a list of image_id, category_id, bbox (xywh) and score, with the file's own ids."""
    image_ids, category_ids = [image["id"] for image in truth.images], truth.category_ids
    columns = (detections.image, detections.classes, detections.boxes_xywh.tolist(), detections.scores.tolist())
    with atomic_file(path) as file:
        file.write("[")
        for row, (image, k, box, score) in enumerate(zip(*columns, strict=True)):
            result = {"image_id": image_ids[image], "category_id": category_ids[k], "bbox": box, "score": score}
            # a line each: the list of a large set is never held as one text
            file.write((",\n" if row else "\n") + json.dumps(result))
        file.write("\n]\n")
