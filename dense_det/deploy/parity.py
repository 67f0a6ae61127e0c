"""Whether an exported file finds what the model finds that it came from."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.modeling import detector_postprocess
from detectron2.structures import Instances

from dense_det.deploy.runtime import Detector, paste
from dense_det.evaluation.coco_ap import coco_stats
from dense_det.evaluation.detections import Prediction, gather_detections
from dense_det.evaluation.evaluator import encode_masks
from dense_det.evaluation.ground_truth import GroundTruth

logger = logging.getLogger(__name__)

SAME_PX = 1.0  # boxes that are further apart are not the same
Found = tuple[np.ndarray, ...]  # boxes (R, 4), scores (R,), classes (R,); with masks mask_scores (R,), masks (R, S, S)


@dataclass(frozen=True)
class Difference:
    """Between what two detectors find: the largest of boxes, in pixels of the network's input, of scores, and of masks'
    probabilities, over boxes that both have; how many those are, and how many only one has."""

    box_px: float = 0.0
    score: float = 0.0
    both: int = 0
    only_one: int = 0
    mask: float = 0.0

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            max(self.box_px, other.box_px),
            max(self.score, other.score),
            self.both + other.both,
            self.only_one + other.only_one,
            max(self.mask, other.mask),
        )


def compare(model: torch.nn.Module, detector: Detector, images: Iterable) -> Difference:
    """Show the same pixels of image files to both."""
    total = Difference()
    for image in images:
        pixels, _ = detector.read(image)
        total += difference(found_by(model, pixels), detector.run(pixels[None]))
    return total


def difference(ours: Found, theirs: Found) -> Difference:
    """Each box of ours is compared to the nearest of the same class that is not taken."""
    boxes, scores, classes, *rest = theirs
    free = np.ones(len(boxes), bool)
    box_px = score = mask = 0.0
    for box, s, k, *own in zip(*ours, strict=True):
        # a tie of places is broken by the scores
        apart = np.abs(boxes - box).max(1, initial=0) + np.abs(scores - s) * 1e-3
        apart[~free | (classes != k)] = np.inf
        nearest = int(apart.argmin()) if len(apart) else -1
        if nearest < 0 or apart[nearest] > SAME_PX:
            continue
        free[nearest] = False
        box_px = max(box_px, float(np.abs(boxes[nearest] - box).max()))
        score = max(score, float(abs(scores[nearest] - s)))
        if own:
            score = max(score, float(abs(rest[0][nearest] - own[0])))
            mask = max(mask, float(np.abs(rest[1][nearest] - own[1]).max()))
    both = int((~free).sum())
    return Difference(box_px, score, both, len(ours[0]) + len(boxes) - 2 * both, mask)


@torch.no_grad()
def found_by(model: torch.nn.Module, pixels: np.ndarray) -> Found:
    """What a detector finds in (H, W, 3) uint8 RGB pixels, by its own inference."""
    if model.input_format == "BGR":
        pixels = pixels[:, :, ::-1]
    size = pixels.shape[:2]
    record = {"image": torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))}
    if getattr(getattr(model, "roi_heads", None), "mask_head", None) is None:
        found: Instances = model([{**record, "height": size[0], "width": size[1]}])[0]["instances"]
        return found.pred_boxes.tensor.numpy(), found.scores.numpy(), found.pred_classes.numpy()
    (found,) = model.inference([record], do_postprocess=False)
    found.probabilities = found.pred_masks[:, 0]
    found.remove("pred_masks")  # which post-processing would paste
    found = detector_postprocess(found, *size)
    mask_scores = found.mask_scores if found.has("mask_scores") else found.scores
    values = found.pred_boxes.tensor, found.scores, found.pred_classes, mask_scores, found.probabilities
    return tuple(value.numpy() for value in values)


def average_precisions(find, detector: Detector, files: Iterable, truth: GroundTruth) -> dict[str, float]:
    """COCO's "AP" of boxes and, where both sides have them, "mask AP", in percent.

    Args:
        find: (h, w, 3) uint8 RGB pixels -> Found.
        detector: reads and resizes images.
        files: of the images of `truth`, in its order.
    """
    predictions = []
    for image, file in zip(truth.images, files, strict=True):
        pixels, (height, width) = detector.read(file)
        boxes, scores, classes, *masks = find(pixels)
        boxes = (boxes * np.tile([width / pixels.shape[1], height / pixels.shape[0]], 2)).astype(np.float32)
        drawn = []
        if masks and truth.has_masks:
            drawn = [encode_masks(paste(masks[1], boxes, (height, width))), masks[0]]
        predictions.append(Prediction(image["id"], boxes, scores, classes, *drawn))
    found = gather_detections(predictions, truth)
    result = {"AP": coco_stats(truth.coco(), found.rows()).percent("AP")}
    if found.masks is not None:
        result["mask AP"] = coco_stats(truth.coco(with_masks=True), found.mask_rows(), "segm").percent("AP")
    return result
