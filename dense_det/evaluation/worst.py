"""The images that went wrong most, and a fair sample of all, as pictures."""

import logging
import re
from pathlib import Path

import numpy as np
from detectron2.data.detection_utils import read_image

from dense_det.drawing import add_legend, class_color, draw_boxes, montage, resize, save_image
from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import UNMATCHED
from dense_det.evaluation.shapes import draw_shapes

logger = logging.getLogger(__name__)

# told apart by the colour-blind, too (Okabe and Ito); the labels say it a second time
TRUE_POSITIVE, FALSE_POSITIVE, MISSED, FOUND = (0, 158, 115), (213, 94, 0), (0, 114, 178), (120, 120, 120)
LONG_SIDE, CELL = 1000, (420, 480)


def count_errors(truth: GroundTruth, detections: Detections, matches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) true positives, false positives and missed boxes of each image.

    Args:
        matches: (R,) of the detections that are kept, as `match` gives them.
    """
    num_images = len(truth.images)
    hits = np.bincount(detections.image[matches >= 0], minlength=num_images)
    false = np.bincount(detections.image[matches == UNMATCHED], minlength=num_images)
    boxes = np.bincount(truth.image[~truth.crowd], minlength=num_images)
    return hits, false, boxes - hits


def rank_worst(false, missed, limit: int) -> list[int]:
    """Places of the images with the most false and missed boxes, worst first, ties by image id; none without errors."""
    errors = false + missed
    order = np.argsort(-errors, kind="stable")[:limit]
    return order[errors[order] > 0].tolist()


def write_worst(output_dir, image_root, truth, detections, matches, limit: int) -> None:
    """worst/01_<name>.jpg ... and worst.png, a montage of them; pictures of an evaluation before are removed.

    Args:
        detections: those at or above their thresholds, with their `matches` (R,).
    """
    folder = Path(output_dir) / "worst"
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("[0-9]*_*.jpg"), Path(output_dir) / "worst.png"]:
        old.unlink(missing_ok=True)
    hits, false, missed = count_errors(truth, detections, matches)
    cells = []
    for rank, place in enumerate(rank_worst(false, missed, limit), start=1):
        image = _read(image_root, truth.images[place])
        if image is None:
            continue
        name = truth.images[place]["file_name"]
        legend = [
            (TRUE_POSITIVE, f"{hits[place]} found"),
            (FALSE_POSITIVE, f"{false[place]} false"),
            (MISSED, f"{missed[place]} missed"),
        ]
        large, small = LONG_SIDE / max(image.shape), min(CELL) / max(image.shape)
        picture = _draw_errors(image, min(large, 1), truth, detections, matches, place, with_labels=True)
        legend_below = [*legend, (FOUND, "ground truth of found boxes")]
        stem = re.sub(r"[^\w.-]", "_", Path(name).stem)[:80]
        save_image(folder / f"{rank:02d}_{stem}.jpg", add_legend(picture, name, legend_below))
        picture = _draw_errors(image, small, truth, detections, matches, place, with_labels=False)
        cells.append(add_legend(picture, f"{rank}. {name}", legend))
    if cells:
        save_image(Path(output_dir) / "worst.png", montage(cells, columns=min(5, len(cells)), cell=CELL))


def write_examples(path, image_root, truth: GroundTruth, detections: Detections, count: int = 12) -> None:
    """A montage of `count` images, evenly drawn from the set, with the detections that are passed."""
    places = np.unique(np.linspace(0, len(truth.images) - 1, min(count, len(truth.images))).round().astype(int))
    cells, width, height = [], 480, 600
    for place in places.tolist():
        image = _read(image_root, truth.images[place])
        if image is None:
            continue
        scale = min((width - 8) / image.shape[1], (height - 8) / image.shape[0])
        rows = detections.image == place
        labels = [
            f"{truth.class_names[k]} {score:.2f}"
            for k, score in zip(detections.classes[rows], detections.scores[rows], strict=True)
        ]
        colors = [class_color(k) for k in detections.classes[rows].tolist()]
        boxes = _xyxy(detections.boxes_xywh[rows]) * scale
        picture = draw_shapes(resize(image, scale), scale, detections.select(rows), colors)
        cells.append(draw_boxes(picture, boxes, labels, colors))
    if cells:
        save_image(path, montage(cells, columns=min(4, len(cells)), cell=(width, height)))


def _draw_errors(image, scale, truth, detections, matches, place, with_labels: bool) -> np.ndarray:
    """The image times `scale`: missed boxes, true and false positives; with labels, found boxes in grey below them."""
    of_truth = (truth.image == place) & ~truth.crowd
    of_detections = (detections.image == place) & ((matches >= 0) | (matches == UNMATCHED))
    found = np.zeros(len(truth.image), dtype=bool)
    found[matches[of_detections & (matches >= 0)]] = True
    groups = [
        (_xyxy(truth.boxes_xywh[of_truth & ~found]), truth.classes[of_truth & ~found], None, MISSED, "missed "),
    ]
    for hit, color, word in ((True, TRUE_POSITIVE, ""), (False, FALSE_POSITIVE, "false ")):
        rows = of_detections & ((matches >= 0) == hit)
        boxes = _xyxy(detections.boxes_xywh[rows])
        groups.append((boxes, detections.classes[rows], detections.scores[rows], color, word))
    hits = matches[of_detections] >= 0
    shades = [TRUE_POSITIVE if hit else FALSE_POSITIVE for hit in hits]
    image = draw_shapes(resize(image, scale), scale, detections.select(of_detections), shades)
    if not with_labels:
        for boxes, _, _, color, _ in groups:
            image = draw_boxes(image, boxes * scale, colors=color)
        return image
    image = draw_boxes(image, _xyxy(truth.boxes_xywh[of_truth & found]) * scale, colors=FOUND)
    boxes, labels, colors = [], [], []
    for group, classes, scores, color, word in groups:
        ends = [""] * len(group) if scores is None else [f" {score:.2f}" for score in scores]
        boxes.append(group)
        labels += [f"{word}{truth.class_names[k]}{end}" for k, end in zip(classes, ends, strict=True)]
        colors += [color] * len(group)
    return draw_boxes(image, np.concatenate(boxes) * scale, labels, colors)


def _read(image_root, image: dict) -> np.ndarray | None:
    path = Path(image_root) / image["file_name"]
    try:
        return read_image(str(path), format="RGB")
    except OSError as error:  # a picture less is no reason to lose an evaluation
        logger.warning("%s is not drawn: %s", path, error)
        return None


def _xyxy(boxes_xywh) -> np.ndarray:
    return np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)
