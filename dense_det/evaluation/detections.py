"""All detections on a data set as compact arrays."""

import json
import logging
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.evaluation.ground_truth import GroundTruth

logger = logging.getLogger(__name__)


class Prediction(NamedTuple):
    """What a detector found on one image."""

    image_id: int
    boxes: np.ndarray  # (R, 4) float32 xyxy
    scores: np.ndarray  # (R,)
    classes: np.ndarray  # (R,)
    masks: list[dict] | None = None  # R COCO RLE dicts with text counts
    mask_scores: np.ndarray | None = None  # (R,) what masks are ranked by, where that is not the box's score
    quads: np.ndarray | None = None  # (R, 4, 2) float32 x, y of the corners


@dataclass(frozen=True)
class Detections:
    """R boxes, ordered by image and then by falling score."""

    image: np.ndarray  # (R,) place of the image in GroundTruth.images
    boxes_xywh: np.ndarray  # (R, 4) float64
    scores: np.ndarray  # (R,) float64
    classes: np.ndarray  # (R,)
    masks: np.ndarray | None = None  # (R,) of RLE dicts; None of a detector without masks
    mask_scores: np.ndarray | None = None  # (R,) float64; with masks
    quads: np.ndarray | None = None  # (R, 4, 2) float64; None of a detector without corners

    def select(self, keep) -> "Detections":
        """The rows of a mask (R,), or of indices."""
        columns = (getattr(self, field.name) for field in fields(self))
        return Detections(*(None if column is None else column[keep] for column in columns))

    def rows(self) -> np.ndarray:
        """(R, 7) image, x, y, w, h, score, class: what `coco_stats` takes beside `GroundTruth.coco()`."""
        return np.column_stack([self.image, self.boxes_xywh, self.scores, self.classes])

    def mask_rows(self) -> list[dict]:
        """R COCO results of the masks, for `coco_stats` with iou_type "segm": ranked by mask_scores."""
        columns = (self.image.tolist(), self.classes.tolist(), self.masks.tolist(), self.mask_scores.tolist())
        return [
            {"image_id": image, "category_id": k, "segmentation": mask, "score": score}
            for image, k, mask, score in zip(*columns, strict=True)
        ]


def gather_detections(predictions, truth: GroundTruth) -> Detections:
    """One `Detections` of the predictions of all images, in an order that depends on nothing but them.

    Args:
        predictions: a Prediction (or a tuple of its first fields) of each image, in any order. Masks and quads are
            kept if all images have them.

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
    predictions = [Prediction(*p) for p in sorted(predictions, key=lambda prediction: place[prediction[0]])]
    sizes = [len(p.scores) for p in predictions]
    image = np.repeat([place[image_id] for image_id, *_ in predictions], sizes).astype(np.int64)
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(p.boxes.reshape(-1, 4) for p in predictions)])
    scores = np.concatenate([np.zeros(0, np.float32), *(p.scores for p in predictions)]).astype(np.float64)
    classes = np.concatenate([np.zeros(0, np.int64), *(p.classes for p in predictions)]).astype(np.int64)
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
    detections = Detections(image, boxes, scores, classes, *_masks(predictions, scores), _quads(predictions))
    order = np.lexsort((-scores, image))
    return detections.select(order[finite[order]])


def _masks(predictions: list[Prediction], scores: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """masks and mask_scores of Detections."""
    if not predictions or any(p.masks is None for p in predictions):
        return None, None
    masks = np.empty(len(scores), dtype=object)
    masks[:] = [mask for p in predictions for mask in p.masks]
    if any(p.mask_scores is None for p in predictions):
        return masks, scores
    return masks, np.concatenate([p.mask_scores for p in predictions]).astype(np.float64)


def _quads(predictions: list[Prediction]) -> np.ndarray | None:
    if not predictions or any(p.quads is None for p in predictions):
        return None
    return np.concatenate([p.quads.reshape(-1, 4, 2) for p in predictions]).astype(np.float64)


def write_results(path, detections: Detections, truth: GroundTruth) -> None:
    """Write COCO's results format, with the file's own ids: a list of image_id, category_id, bbox (xywh) and score.

    With masks also "segmentation" (RLE) and "mask_score", what masks are ranked by; with corners "quad": x and y of
    four, clockwise, 8 numbers in pixels.
    """
    with atomic_file(path) as file:
        file.write("[")
        for row in range(len(detections.scores)):
            # a line each: the list of a large set is never held as one text
            file.write((",\n" if row else "\n") + json.dumps(_result(detections, row, truth)))
        file.write("\n]\n")


def _result(detections: Detections, row: int, truth: GroundTruth) -> dict:
    result = {
        "image_id": truth.images[detections.image[row]]["id"],
        "category_id": truth.category_ids[detections.classes[row]],
        "bbox": detections.boxes_xywh[row].tolist(),
        "score": float(detections.scores[row]),
    }
    if detections.masks is not None:
        result |= {"segmentation": detections.masks[row], "mask_score": float(detections.mask_scores[row])}
    if detections.quads is not None:
        result["quad"] = detections.quads[row].reshape(-1).round(2).tolist()
    return result
