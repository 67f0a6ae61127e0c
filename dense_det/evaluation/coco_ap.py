"""COCO's average precision by hotcoco (Rust, fast) or by pycocotools, the reference: the same numbers."""

import contextlib
import importlib.util
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dense_det.suggest import unknown

logger = logging.getLogger(__name__)

BACKENDS = ("hotcoco", "pycocotools")
STAT_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class CocoStats:
    """What COCOeval leaves, as shares of 1; -1 where there is no ground truth.

    T = 10 IoU thresholds 0.5 ... 0.95, 101 recalls, K categories in the order of `category_ids`,
    4 areas (all, small, medium, large), 3 limits of detections per image and category (1, 10, 100).
    """

    stats: np.ndarray  # (12,), named by STAT_NAMES
    precision: np.ndarray  # (T, 101, K, 4, 3)
    recall: np.ndarray  # (T, K, 4, 3)
    category_ids: list[int]

    def percent(self, name: str) -> float:
        """One of STAT_NAMES in percent; NaN without ground truth."""
        value = float(self.stats[STAT_NAMES.index(name)])
        return 100 * value if value >= 0 else float("nan")

    def class_ap(self, iou: float | None = None) -> np.ndarray:
        """(K,) average precision over all IoU thresholds, or at one; NaN for categories without ground truth."""
        rows = slice(None) if iou is None else [round((iou - 0.5) / 0.05)]
        precision = self.precision[rows, :, :, 0, -1]
        # a category without ground truth is -1 in all of its cells, any other in none
        return np.where((precision < 0).any((0, 1)), np.nan, precision.mean((0, 1)))


def coco_stats(ground_truth, detections, iou_type: str = "bbox", backend: str = "hotcoco") -> CocoStats:
    """Evaluate detections as the COCO challenge does.

    Args:
        ground_truth: a COCO dict, or the path of its JSON file.
        detections: COCO results: a list of dicts, the path of their JSON file, or, for boxes, an array
            (R, 7) of image id, x, y, w, h, score, category id. May be empty.
        iou_type: "bbox" or "segm".
        backend: "hotcoco" or "pycocotools"; without hotcoco, pycocotools takes over and the log says so.

    Raises:
        ValueError: an unknown backend or iou_type, or detections on images that are not in the ground truth.
    """
    if backend not in BACKENDS:
        raise ValueError(unknown("COCO evaluator", backend, BACKENDS))
    if iou_type not in ("bbox", "segm"):
        raise ValueError(unknown("iou_type", iou_type, ("bbox", "segm")))
    if not isinstance(ground_truth, dict):
        ground_truth = json.loads(Path(ground_truth).read_text(encoding="utf-8"))
    if isinstance(detections, (str, Path)):
        detections = json.loads(Path(detections).read_text(encoding="utf-8"))
    _check_images(ground_truth, detections)
    # the libraries write into the dicts that they are given
    ground_truth = {**ground_truth, "annotations": [dict(annotation) for annotation in ground_truth["annotations"]]}
    if not isinstance(detections, np.ndarray):
        detections = [dict(detection) for detection in detections]
    COCO, COCOeval = _library(backend)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = ground_truth
        truth.createIndex()
        if len(detections):
            found = truth.loadRes(detections)
        else:  # pycocotools looks at the first detection to learn its kind
            found = COCO()
            found.dataset = {**ground_truth, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(truth, found, iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return CocoStats(
        stats=np.asarray(evaluation.stats, dtype=np.float64),
        precision=np.asarray(evaluation.eval["precision"]),
        recall=np.asarray(evaluation.eval["recall"]),
        category_ids=list(evaluation.params.catIds),
    )


def _library(backend: str):
    """(COCO, COCOeval) of hotcoco or pycocotools, which share their names."""
    if backend == "hotcoco":
        if importlib.util.find_spec("hotcoco"):
            from hotcoco import COCO, COCOeval

            return COCO, COCOeval
        logger.info("hotcoco is not installed: pycocotools evaluates, with the same numbers, but slower")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return COCO, COCOeval


def _check_images(ground_truth: dict, detections) -> None:
    # hotcoco only warns, pycocotools asserts: a results file of another split must not become an AP of 0
    known = {image["id"] for image in ground_truth["images"]}
    if isinstance(detections, np.ndarray):
        named = set(np.unique(detections[:, 0]).astype(int).tolist())
    else:
        named = {detection["image_id"] for detection in detections}
    if named - known:
        raise ValueError(
            f"detections on {len(named - known)} images that are not in the ground truth "
            f"(image_id {min(named - known, key=str)!r}): "
            "is this the result of another data set?"
        )
