"""From pixels to fused boxes: every teacher, every view, one set of boxes in the data set's classes."""

from dataclasses import dataclass

import numpy as np

from dense_det.distillation.class_table import DROPPED
from dense_det.distillation.fusion import LEAST_SIDE, Boxes, fuse, leave_alone
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.masks import encode_masks
from dense_det.distillation.shard_file import ImagePredictions
from dense_det.distillation.teacher import Teacher
from dense_det.distillation.views import View


@dataclass(frozen=True)
class Labeller:
    """An ensemble of teachers and how their boxes are fused.

    Args:
        views: of each teacher.
        tables: of each teacher, (K_teacher,) classes of the data set; see class_table.
        classes: names of the data set's classes.
        floor: least score, of found and of fused boxes.
        least_edge: in pixels, of images that may come smaller than they are; see ImageReader.
    """

    teachers: tuple[Teacher, ...]
    views: tuple[tuple[View, ...], ...]
    tables: tuple[np.ndarray, ...]
    classes: tuple[str, ...]
    fusion: str
    iou: float
    floor: float
    detections_per_image: int
    least_edge: int = 0

    def manifest(self) -> Manifest:
        return Manifest(
            classes=list(self.classes),
            teachers=[teacher.identity.to_dict() for teacher in self.teachers],
            views=[
                {"short_edge": view.short_edge, "flip": view.flip, "teacher": place}
                for place, views in enumerate(self.views)
                for view in views
            ],
            fusion={"kind": "none"} if self.is_alone else {"kind": self.fusion, "iou": self.iou},
            floor=self.floor,
            detections_per_image=self.detections_per_image,
            class_tables=[
                [
                    [name, self.classes[k] if k != DROPPED else None]
                    for name, k in zip(teacher.classes, table, strict=True)
                ]
                for teacher, table in zip(self.teachers, self.tables, strict=True)
            ],
            least_edge=self.least_edge,
        )

    def label(self, image: np.ndarray, image_id: int, size: tuple[int, int] | None = None) -> ImagePredictions:
        """All fused boxes of an upright (h, w, 3) uint8 RGB image, in pixels of its `size` (H, W); None: (h, w)."""
        per_view = [
            self._found(image, teacher, view, table)
            for teacher, views, table in zip(self.teachers, self.views, self.tables, strict=True)
            for view in views
        ]
        joined = Boxes.join(per_view)
        fused = leave_alone(joined) if self.is_alone else fuse(self.fusion, joined, self._num_sources(), self.iou)
        keep = np.flatnonzero(fused.scores >= self.floor)[: self.detections_per_image]
        found, classes = fused.boxes[keep].astype(np.float32), fused.classes[keep].astype(np.int32)
        size = size or image.shape[:2]
        enlarged = np.tile([size[1] / image.shape[1], size[0] / image.shape[0]], 2).astype(np.float32)
        boxes = _cut(found, image) * enlarged
        return ImagePredictions(
            image_id,
            boxes,
            fused.scores[keep].astype(np.float32),
            classes,
            fused.votes[keep].astype(np.float32),
            fused.spread[keep].astype(np.float32),
            self._masks(image, found, classes, boxes, size) if self.has_masks else None,
        )

    @property
    def is_alone(self) -> bool:
        """One teacher, one view, no two of its classes made one: nothing to fuse, what it finds stays as it is.

        A detector may leave boxes that overlap more than `iou`: FCOS suppresses from 0.6 on.
        """
        known = self.tables[0][self.tables[0] != DROPPED]
        return sum(map(len, self.views)) == 1 and len(np.unique(known)) == len(known)

    @property
    def has_masks(self) -> bool:
        """Masks are averaged over all views of all teachers, so all must have them."""
        return all(teacher.has_masks for teacher in self.teachers)

    def _num_sources(self) -> np.ndarray:
        """(K,) views that can find a class: a teacher that has none for it says nothing against it."""
        return sum(len(v) * np.isin(range(len(self.classes)), t) for v, t in zip(self.views, self.tables, strict=True))

    def _masks(self, image, found, classes, boxes, size) -> tuple[bytes, ...]:
        """Masks within the fused boxes `found`, predicted under every view: their probabilities are averaged, and drawn
        in `boxes`, which are the same ones as they are stored."""
        if not len(found):
            return ()
        total, count = 0.0, np.zeros(len(found))
        for teacher, views, table in zip(self.teachers, self.views, self.tables, strict=True):
            known = np.isin(classes, table)  # a teacher draws only what it has a class for
            own = np.array([np.flatnonzero(table == k)[0] for k in classes[known]], np.int64)
            for view in views if known.any() else ():
                seen = teacher.masks(image, view, found[known], own)
                drawn = np.zeros((len(found), *seen.shape[1:]))
                drawn[known] = seen
                total, count = total + drawn, count + known
        return encode_masks(total / count[:, None, None], boxes, size)

    def _found(self, image, teacher: Teacher, view: View, table: np.ndarray):
        """What a teacher finds under a view. Boxes that will be fused are cut to the image; one that is alone draws its
        masks in boxes as it found them, and cuts them only then: as Detectron2 does."""
        boxes, scores, classes = teacher.find(image, view)
        cut, classes = _cut(boxes, image), table[classes]
        keep = (classes != DROPPED) & (scores >= self.floor) & (cut[:, 2:] - cut[:, :2] >= LEAST_SIDE).all(1)
        return (boxes if self.is_alone else cut)[keep], scores[keep], classes[keep]


def _cut(boxes: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Boxes (R, 4) xyxy within an image (h, w, 3)."""
    height, width = image.shape[:2]
    return boxes.clip(0, np.array([width, height, width, height], boxes.dtype))
