"""Teachers from files that tools/export_model.py wrote: the detector's boxes without its network in torch."""

import hashlib
import logging
from pathlib import Path

import numpy as np

from dense_det.data.pdf.document import sha256_of
from dense_det.deploy.runtime import Detector
from dense_det.distillation.teacher import Identity
from dense_det.distillation.views import OWN_SIZE, View, look

logger = logging.getLogger(__name__)


class ExportedTeacher:
    """Takes every view, as the detector itself; by default the one of testing.

    Args:
        detector: what it runs: `facts`, `classes` and `run`.
        floor: least score of a box.
    """

    has_masks = False

    def __init__(self, detector: Detector, floor: float, identity: Identity):
        self._detector, self._floor, self.identity = detector, floor, identity
        self.classes = detector.classes
        self._min_size, self._max_size = detector.facts["min_size"], detector.facts["max_size"]
        self.views = (View(self._min_size or OWN_SIZE),)

    def find(self, image, view):
        max_size = round(view.short_edge * self._max_size / self._min_size) if self._min_size else max(image.shape)
        pixels, seen = look(image, view, max_size)
        boxes, scores, classes = self._detector.run(np.ascontiguousarray(pixels)[None])
        good = scores >= self._floor
        return seen.to_image(boxes[good]), scores[good].astype(np.float64), classes[good]


def open_exported_teacher(path, floor: float) -> ExportedTeacher:
    """The teacher of an exported .onnx or .xml file, on one thread of the CPU; raises what Detector raises."""
    detector = Detector(path, threads=1)
    least = detector.facts["least_score"]
    if floor < least:
        logger.warning("%s holds no boxes with scores below %s: --floor %s finds no more", path, least, floor)
    parts = [part for part in (Path(path), Path(path).with_suffix(".bin")) if part.is_file()]
    weights = hashlib.sha256("".join(map(sha256_of, parts)).encode()).hexdigest()
    return ExportedTeacher(
        detector, floor, Identity("export", detector.facts["config_sha256"], weights, Path(path).name)
    )
