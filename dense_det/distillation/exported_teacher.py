"""Teachers from files that tools/export_model.py wrote: the detector's boxes without its network in torch."""

import hashlib
import logging
from pathlib import Path

import numpy as np

from dense_det.data.pdf.document import sha256_of
from dense_det.deploy.runtime import Detector, resample
from dense_det.distillation.fusion import pairwise_iou
from dense_det.distillation.teacher import Identity
from dense_det.distillation.views import OWN_SIZE, View, look

logger = logging.getLogger(__name__)


class ExportedTeacher:
    """Takes every view, as the detector itself; by default the one of testing. `thresholds`: class -> the best score;
    `detections_per_image`: the most that the file gives, None where it does not say.

    Args:
        detector: what it runs: `facts`, `classes` and `run`.
        floor: least score of a box.
    """

    def __init__(self, detector: Detector, floor: float, identity: Identity):
        self._detector, self._floor, self.identity = detector, floor, identity
        self.classes = detector.classes
        self.thresholds = dict(zip(detector.classes, detector.facts["thresholds"], strict=True))
        self.detections_per_image: int | None = detector.facts.get("detections_per_image")
        self.has_masks = bool(detector.facts.get("masks"))
        self._min_size, self._max_size = detector.facts["min_size"], detector.facts["max_size"]
        self.own_edge = self._min_size or OWN_SIZE
        self.views = (View(self.own_edge),)
        self._image, self._found = None, {}

    def find(self, image, view):
        boxes, scores, classes, *_ = self._run(image, view)
        good = scores >= self._floor
        return boxes[good], scores[good].astype(np.float64), classes[good]

    def masks(self, image, view, boxes, classes) -> np.ndarray:
        """(R, S, S) float32 probabilities within boxes (R, 4) of the image, of `classes` (R,).

        A file draws in its own boxes alone: a box gets what is drawn in the one of its class that overlaps it most
        under this view. Where none does, a half: in a mean over views that is no vote, for or against.
        """
        own_boxes, _, own_classes, _, own_masks = self._run(image, view)
        drawn = np.full((len(boxes), *own_masks.shape[1:]), 0.5, np.float32)
        overlap = np.where(np.asarray(classes)[:, None] == own_classes, pairwise_iou(boxes, own_boxes), 0.0)
        height, width = own_masks.shape[1:]
        for row in np.flatnonzero(overlap.max(1, initial=0) > 0):
            x0, y0, x1, y1 = boxes[row]
            x = x0 + (np.arange(width) + 0.5) * (x1 - x0) / width
            y = y0 + (np.arange(height) + 0.5) * (y1 - y0) / height
            best = overlap[row].argmax()
            drawn[row] = resample(own_masks[best], own_boxes[best], x, y)
        return drawn

    def _run(self, image, view):
        """What the file finds under a view, in pixels of the image and as it is held; once, until the image changes."""
        if self._image is not image:
            self._image, self._found = image, {}
        if view not in self._found:
            max_size = round(view.short_edge * self._max_size / self._min_size) if self._min_size else max(image.shape)
            pixels, seen = look(image, view, max_size)
            boxes, *rest = self._detector.run(np.ascontiguousarray(pixels)[None])
            if self.has_masks and view.flip:
                rest[-1] = rest[-1][:, :, ::-1]
            self._found[view] = seen.to_image(boxes), *rest
        return self._found[view]


def open_exported_teacher(path, floor: float) -> ExportedTeacher:
    """The teacher of an exported .onnx or .xml file, on one thread of the CPU.

    Raises:
        ValueError: its metadata does not say of which config it is; and what Detector raises.
    """
    detector = Detector(path, threads=1)
    config = detector.facts.get("config_sha256")
    if not isinstance(config, str):
        raise ValueError(f"{path}: its metadata has no config_sha256: export it again with tools/export_model.py")
    least = detector.facts.get("least_score", 0.0)  # files of the tool's first days do not say
    if floor < least:
        logger.warning("%s holds no boxes with scores below %s: --floor %s finds no more", path, least, floor)
    parts = [part for part in (Path(path), Path(path).with_suffix(".bin")) if part.is_file()]
    weights = hashlib.sha256("".join(map(sha256_of, parts)).encode()).hexdigest()
    return ExportedTeacher(detector, floor, Identity("export", config, weights, Path(path).name))
