"""Pseudo-labels against the truth, where somebody knows it: how right they are, and what the truth would be worth."""

import dataclasses
import os
from dataclasses import dataclass

import numpy as np

from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.label_file import read_labels
from dense_det.distillation.work_folder import WorkFolder
from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import IGNORED, UNMATCHED, match

RIGHT, ALL = "right", "all"  # what the truth does to labels: wrong ones are not judged, or all are its own
USES = (RIGHT, ALL)
MATCH_IOU = 0.5


@dataclass(frozen=True)
class Agreement:
    """Of the boxes that are labels (unsure ones, and those on crowds of the truth, are none): how many, how many of
    them are right, how many boxes of the labels' classes the truth has on all planned images."""

    kept: int
    right: int
    true: int


@dataclass(frozen=True)
class KnownTruth:
    """A COCO file of the unlabelled images, with their boxes. Images are known by their files: members of tar files
    and pages of PDFs are not."""

    files: CocoFiles

    def require(self, classes: list[str]) -> None:
        """ValueError: no COCO file, an image without a size, none of whose files is there, or without one of
        `classes`."""
        truth, path = self.files.load(), self.files.json_file
        if missing := [name for name in classes if name not in truth.class_names]:
            raise ValueError(f"{path} has no class {missing[0]!r}, only {truth.class_names}")
        for image in truth.images:
            if not all(isinstance(image.get(side), int) for side in ("width", "height")):
                raise ValueError(f"{path}: image {image['id']!r} has no width and height in whole pixels")
        if not any(os.path.isfile(self.files.path(image)) for image in truth.images):
            raise ValueError(f"{path}: none of its {len(truth.images)} images lies in {self.files.image_root}")

    def agreement(self, work: WorkFolder, labels) -> Agreement:
        """How right a file of labels is, of the images that are planned in `work`.

        Raises:
            ValueError: a class or an image of the labels that the truth does not know.
        """
        tree = read_labels(labels)
        truth, _ = self._of(work, labels, tree)
        kept, found = self._matches(labels, tree, truth)
        judged = found != IGNORED
        return Agreement(int(judged.sum()), int((found[judged] != UNMATCHED).sum()), int((~truth.crowd).sum()))

    def apply(self, use: str, work: WorkFolder, labels) -> dict:
        """The COCO tree of a file of labels in which wrong boxes are unsure ones (RIGHT), or of all planned images with
        all true boxes (ALL). As `select` does, images without a label are dropped; raises as `agreement`."""
        tree = read_labels(labels)
        truth, planned = self._of(work, labels, tree)
        made = self._rightly(labels, tree, truth) if use == RIGHT else self._all(labels, tree, truth, planned)
        labelled = {a["image_id"] for a in _kept(made)}
        return made | {
            "images": [image for image in made["images"] if image["id"] in labelled],
            "annotations": [a for a in made["annotations"] if a["image_id"] in labelled],
        }

    def _rightly(self, labels, tree: dict, truth: GroundTruth) -> dict:
        kept, found = self._matches(labels, tree, truth)
        wrong = {a["id"] for a, match in zip(kept, found, strict=True) if match == UNMATCHED}
        return tree | {"annotations": [a | {"iscrowd": 1} if a["id"] in wrong else a for a in tree["annotations"]]}

    def _all(self, labels, tree: dict, truth: GroundTruth, planned: np.ndarray) -> dict:
        category_of = {k: category for category, k in self._classes(labels, tree, truth).items()}
        images = [
            {"id": k, "file_name": self.files.path(image), "width": image["width"], "height": image["height"]}
            for k, image in enumerate(truth.images)
            if planned[k]
        ]
        columns = truth.image.tolist(), truth.classes.tolist(), truth.boxes_xywh.tolist(), truth.crowd.tolist()
        annotations = [
            {"id": number, "image_id": image, "category_id": category_of[k], "bbox": box, "iscrowd": int(crowd),
             "area": box[2] * box[3], "score": 1.0}
            for number, (image, k, box, crowd) in enumerate(zip(*columns, strict=True), 1)
        ]  # fmt: skip
        return tree | {"images": images, "annotations": annotations}

    def _of(self, work: WorkFolder, labels, tree: dict) -> tuple[GroundTruth, np.ndarray]:
        """The truth of the planned images, in the labels' classes; (N,) bool: which of its images are planned."""
        truth = self.files.load()
        shards = range(work.read_plan().num_shards)
        files = {os.path.realpath(image.file_name) for shard in shards for image in work.images.read_inputs(shard)}
        planned = np.array([os.path.realpath(self.files.path(image)) in files for image in truth.images], bool)
        rows = planned[truth.image] & np.isin(truth.classes, list(self._classes(labels, tree, truth).values()))
        columns = {name: getattr(truth, name)[rows] for name in ("image", "boxes_xywh", "classes", "crowd", "area")}
        return dataclasses.replace(truth, **columns, segmentations=None, quads=None), planned

    def _matches(self, labels, tree: dict, truth: GroundTruth) -> tuple[list[dict], np.ndarray]:
        """The K boxes that are labels, and (K,) which true one of its class each found; see match."""
        kept = _kept(tree)
        class_of, place_of = self._classes(labels, tree, truth), self._places(labels, tree, truth)
        image = np.array([place_of[a["image_id"]] for a in kept], np.int64)
        scores = np.array([a["score"] for a in kept], np.float64)
        order = np.lexsort((-scores, image))
        boxes = np.array([a["bbox"] for a in kept], np.float64).reshape(-1, 4)
        classes = np.array([class_of[a["category_id"]] for a in kept], np.int64)
        found = np.empty(len(kept), np.int64)
        found[order] = match(truth, Detections(image, boxes, scores, classes).select(order), MATCH_IOU, most=None)
        return kept, found

    def _classes(self, labels, tree: dict, truth: GroundTruth) -> dict[int, int]:
        """Category id of the labels -> class of the truth."""
        known = {name: k for k, name in enumerate(truth.class_names)}
        for category in tree["categories"]:
            if category["name"] not in known:
                raise ValueError(f"{labels}: {self.files.json_file} has no class {category['name']!r}, only {[*known]}")
        return {category["id"]: known[category["name"]] for category in tree["categories"]}

    def _places(self, labels, tree: dict, truth: GroundTruth) -> dict[int, int]:
        """Image id of the labels -> place in the truth."""
        known = {os.path.realpath(self.files.path(image)): k for k, image in enumerate(truth.images)}
        places = {image["id"]: known.get(os.path.realpath(image["file_name"])) for image in tree["images"]}
        for image in tree["images"]:
            if places[image["id"]] is None:
                raise ValueError(f"{labels}: {self.files.json_file} has no image {image['file_name']}")
        return places


def _kept(tree: dict) -> list[dict]:
    return [a for a in tree["annotations"] if not a.get("iscrowd")]
