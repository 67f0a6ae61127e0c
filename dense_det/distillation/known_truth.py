"""Pseudo-labels against the truth, where somebody knows it: how right they are, and what the truth would be worth."""

import os
from dataclasses import dataclass

import numpy as np

from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.label_file import read_labels
from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import match

RIGHT, ALL = "right", "all"  # what the truth does to labels: takes the wrong ones out, or gives all of them itself
USES = (RIGHT, ALL)
MATCH_IOU = 0.5


@dataclass(frozen=True)
class Agreement:
    """Of the boxes that are labels (unsure ones are none): how many, how many of them are right, how many boxes the
    truth has on all images that could have been labelled."""

    kept: int
    right: int
    true: int

    @property
    def precision(self) -> float:
        """In percent; NaN without a label."""
        return 100 * self.right / self.kept if self.kept else float("nan")

    @property
    def recall(self) -> float:
        """In percent; NaN without a true box."""
        return 100 * self.right / self.true if self.true else float("nan")


@dataclass(frozen=True)
class KnownTruth:
    """A COCO file of the unlabelled images, with their boxes; images are known by their files."""

    files: CocoFiles

    def agreement(self, labels) -> Agreement:
        """How right a file of labels is, for whatever images it has.

        Raises:
            ValueError: a class or an image that the truth does not know.
        """
        tree, truth = read_labels(labels), self.files.load()
        kept = _kept(tree)
        return Agreement(len(kept), len(self._right(labels, tree, kept, truth)), int((~truth.crowd).sum()))

    def apply(self, use: str, labels) -> dict:
        """The COCO tree of a file of labels, without its wrong boxes (RIGHT), or of all images with all true boxes
        (ALL), in the file's categories; raises as `agreement`."""
        tree, truth = read_labels(labels), self.files.load()
        return self._without_wrong(labels, tree, truth) if use == RIGHT else self._all(labels, tree, truth)

    def _without_wrong(self, labels, tree: dict, truth: GroundTruth) -> dict:
        kept = _kept(tree)
        wrong = {kept[k]["id"] for k in set(range(len(kept))) - self._right(labels, tree, kept, truth)}
        return tree | {"annotations": [a for a in tree["annotations"] if a["id"] not in wrong]}

    def _all(self, labels, tree: dict, truth: GroundTruth) -> dict:
        class_of = self._classes(labels, tree, truth)
        category_of = {k: category for category, k in class_of.items()}
        images = [
            {"id": k, "file_name": self.files.path(image), "width": image["width"], "height": image["height"]}
            for k, image in enumerate(truth.images)
        ]
        columns = truth.image.tolist(), truth.classes.tolist(), truth.boxes_xywh.tolist(), truth.crowd.tolist()
        annotations = [
            {"id": number, "image_id": image, "category_id": category_of[k], "bbox": box, "iscrowd": int(crowd),
             "area": box[2] * box[3], "score": 1.0}
            for number, (image, k, box, crowd) in enumerate(zip(*columns, strict=True), 1)
            if k in category_of
        ]  # fmt: skip
        return {"images": images, "annotations": annotations, "categories": tree["categories"]}

    def _right(self, labels, tree: dict, kept: list[dict], truth: GroundTruth) -> set[int]:
        """Which of the boxes `kept` found a true one of their class, each true one once, by falling score."""
        class_of, place_of = self._classes(labels, tree, truth), self._places(labels, tree, truth)
        image = np.array([place_of[a["image_id"]] for a in kept], np.int64)
        scores = np.array([a["score"] for a in kept], np.float64)
        order = np.lexsort((-scores, image))
        boxes = np.array([a["bbox"] for a in kept], np.float64).reshape(-1, 4)
        classes = np.array([class_of[a["category_id"]] for a in kept], np.int64)
        matches = match(truth, Detections(image, boxes, scores, classes).select(order), MATCH_IOU)
        return set(order[matches >= 0].tolist())

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
