"""Whether an exported file finds what the model finds that it came from."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from detectron2.modeling import detector_postprocess
from detectron2.structures import Instances
from torchvision.ops import box_iou

from dense_det.deploy.runtime import Detector, paste
from dense_det.evaluation.coco_ap import coco_stats
from dense_det.evaluation.detections import Prediction, gather_detections
from dense_det.evaluation.evaluator import encode_masks
from dense_det.evaluation.ground_truth import GroundTruth

logger = logging.getLogger(__name__)

SAME_PX = 1.0  # boxes that are further apart are not the same
TIE = 1e-5  # scores that are nearer stand in either order
RIVALS_IOU = 0.3  # of boxes of which one may have suppressed the other: less than NMS allows, as they were cut since
Found = tuple[np.ndarray, ...]  # boxes (R, 4), scores (R,), classes (R,); with masks mask_scores (R,), masks (R, S, S)


@dataclass(frozen=True)
class Difference:
    """Between what two detectors find: the largest of boxes, in pixels of the network's input, of scores, and of masks'
    probabilities, over boxes that both have (NaN where a value is none); how many those are, how many only one has, and
    in which images."""

    box_px: float = 0.0
    score: float = 0.0
    both: int = 0
    only_one: int = 0
    mask: float = 0.0
    images: tuple[str, ...] = ()

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            _largest(self.box_px, other.box_px),
            _largest(self.score, other.score),
            self.both + other.both,
            self.only_one + other.only_one,
            _largest(self.mask, other.mask),
            self.images + other.images,
        )


def _largest(*values: float) -> float:
    """NaN where one is NaN: Python's max drops it."""
    return float(np.max(values, initial=0))


def compare(model: torch.nn.Module, detector: Detector, images: Iterable) -> Difference:
    """Show the same pixels of image files to both.

    An empty page has hundreds of equal scores, of which each cuts off and suppresses others. Where boxes that only one
    has may be such, both see the image again with noise in its last two bits, which leaves no two scores equal: those
    that only one has there are counted.
    """
    total = Difference()
    for image in images:
        pixels, _ = detector.read(image)
        ours, theirs = found_by(model, pixels), detector.run(pixels[None])
        found = difference(ours, theirs)
        if found.only_one and only_ties(ours, theirs):
            pixels = pixels ^ np.random.default_rng(0).integers(0, 4, pixels.shape, np.uint8)
            again = difference(found_by(model, pixels), detector.run(pixels[None]))
            found = replace(found + again, both=again.both, only_one=again.only_one)
        total += replace(found, images=(Path(image).name,) if found.only_one else ())
    return total


def difference(ours: Found, theirs: Found) -> Difference:
    """Over the boxes that both have, see `pairs`; of scores above 1, which masks can have, in proportion."""
    own_rows, rows = pairs(ours, theirs)
    both = [(own[own_rows], other[rows]) for own, other in zip(ours, theirs, strict=True)]
    apart = [float(np.abs(own - other).max(initial=0)) for own, other in both]
    for own, other in both[3:4]:
        apart[3] = float((np.abs(own - other) / np.maximum(np.abs(own), 1)).max(initial=0))
    alone = len(ours[0]) + len(theirs[0]) - 2 * len(rows)
    # NaN is near nothing, so such a box is never one of both
    box_px = np.nan if any(np.isnan(values).any() for values in (*ours[:2], *theirs[:2])) else apart[0]
    return Difference(box_px, _largest(*apart[1:2], *apart[3:4]), len(rows), alone, _largest(*apart[4:]))


def pairs(ours: Found, theirs: Found) -> tuple[np.ndarray, np.ndarray]:
    """The rows of ours and of theirs that are the same: each box of ours and the nearest of its class that is free."""
    boxes, scores, classes = theirs[:3]
    free, found = np.ones(len(boxes), bool), []
    for row, (box, score, kind) in enumerate(zip(*ours[:3], strict=True)):
        # a tie of places is broken by the scores
        apart = np.abs(boxes - box).max(1, initial=0) + np.abs(scores - score) * 1e-3
        apart[~free | (classes != kind)] = np.inf
        nearest = int(apart.argmin()) if len(apart) else -1
        if nearest >= 0 and apart[nearest] <= SAME_PX:
            free[nearest] = False
            found.append((row, nearest))
    return tuple(np.array(found, int).reshape(-1, 2).T)


def only_ties(ours: Found, theirs: Found) -> bool:
    """Whether each box that only one has may be there because scores are equal.

    Then the other one has, alone, a box of its class over it that is no worse; or it has as many boxes, none of them
    worse. What is lost without another in its place is no tie.
    """
    rows = pairs(ours, theirs)
    alone = [
        [np.delete(values, taken, 0) for values in found[:3]] for found, taken in zip((ours, theirs), rows, strict=True)
    ]
    return _displaced(alone[0], alone[1], ours, theirs) and _displaced(alone[1], alone[0], theirs, ours)


def _displaced(lone: Found, rivals: Found, own: Found, other: Found) -> bool:
    """`only_ties` for the lone boxes of one of two detectors, the rivals being those of the other."""
    no_room = (len(own[0]) <= len(other[0])) & (lone[1] <= other[1].min(initial=np.inf) + TIE)
    no_worse = (rivals[1] >= lone[1][:, None] - TIE) & (rivals[2] == lone[2][:, None])
    overlap = box_iou(torch.as_tensor(lone[0]), torch.as_tensor(rivals[0])).numpy()
    return bool((no_room | (no_worse & (overlap > RIVALS_IOU)).any(1)).all())


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
            # row by row: one byte for each pixel of the image and row would be gigabytes
            rows = zip(masks[1][:, None], boxes[:, None], strict=True)
            drawn = [[encode_masks(paste(*row, (height, width)))[0] for row in rows], masks[0]]
        predictions.append(Prediction(image["id"], boxes, scores, classes, *drawn))
    found = gather_detections(predictions, truth)
    result = {"AP": coco_stats(truth.coco(), found.rows()).percent("AP")}
    if found.masks is not None:
        result["mask AP"] = coco_stats(truth.coco(with_masks=True), found.mask_rows(), "segm").percent("AP")
    return result
