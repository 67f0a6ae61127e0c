"""What stands in the report of a distillation, gathered in one walk over the shards."""

import json
from dataclasses import dataclass, field

import numpy as np

from dense_det.distillation.histogram import ScoreCounts
from dense_det.distillation.rule import KEPT, REJECTED, UNSURE, Rule
from dense_det.distillation.sampling import Smallest
from dense_det.distillation.shard_file import ImagePredictions
from dense_det.distillation.work_folder import InputImage

KINDS = ("accepted", "unsure", "rejected", "empty")
_VERDICT = {"accepted": KEPT, "unsure": UNSURE, "rejected": REJECTED}


@dataclass
class Findings:
    """Numbers of K classes, and a random choice of images for each of KINDS.

    Args:
        side_sum: (K,) of the relative sides of kept boxes: the root of the box's share of its image.
        examples: of each kind, images on which such boxes stand (of "empty": nothing kept, nothing unsure).
    """

    scores: ScoreCounts
    totals: np.ndarray  # (3, K) boxes by verdict
    side_sum: np.ndarray
    images: int = 0
    without_label: int = 0
    examples: dict[str, Smallest] = field(default_factory=dict)


def gather(images, rule: Rule, num_pictures: int, seed: int = 0) -> Findings:
    """Walk once through `images`, pairs of InputImage and ImagePredictions, keeping `num_pictures` of each kind."""
    num_classes, rng = len(rule.thresholds), np.random.default_rng(seed)
    found = Findings(ScoreCounts(num_classes), np.zeros((3, num_classes), np.int64), np.zeros(num_classes))
    found.examples = {kind: Smallest(num_pictures) for kind in KINDS}
    for image, boxes in images:
        verdicts = rule.verdicts(boxes)
        found.images += 1
        found.without_label += not (verdicts == KEPT).any()
        found.scores.add(boxes.scores, boxes.classes)
        np.add.at(found.totals, (verdicts, boxes.classes), 1)
        kept = verdicts == KEPT
        np.add.at(found.side_sum, boxes.classes[kept], relative_sides(boxes.boxes[kept], image.width, image.height))
        for kind in kinds_of(verdicts):
            found.examples[kind].add(rng.random(), (image, boxes))
    return found


def kinds_of(verdicts: np.ndarray) -> list[str]:
    """Which of KINDS an image is an example of."""
    kinds = [kind for kind, verdict in _VERDICT.items() if (verdicts == verdict).any()]
    return kinds if (verdicts != REJECTED).any() else [*kinds, "empty"]


def boxes_of_kind(kind: str, image: tuple[InputImage, ImagePredictions], rule: Rule) -> np.ndarray:
    """Rows of an example's boxes that are to be drawn; the ten best of rejected ones, none of an empty image."""
    if kind == "empty":
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(rule.verdicts(image[1]) == _VERDICT[kind])
    return rows[:10] if kind == "rejected" else rows


def relative_sides(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """(R,) the side of a square of the (R, 4) xyxy box's area, where the image's area is 1."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).astype(np.float64)
    return np.sqrt(sides.prod(1) / (width * height))


def labelled_sides(json_file, classes: list[str]) -> np.ndarray:
    """(K,) mean relative side of the labelled set's boxes; NaN of a class without any."""
    with open(json_file, encoding="utf-8") as file:
        coco = json.load(file)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    sizes = {image["id"]: (image["width"], image["height"]) for image in coco["images"]}
    total, count = np.zeros(len(classes)), np.zeros(len(classes))
    for annotation in coco.get("annotations", []):
        name = names.get(annotation["category_id"])
        if name in classes and annotation["image_id"] in sizes and not annotation.get("iscrowd"):
            _, _, width, height = annotation["bbox"]
            k = classes.index(name)
            total[k] += relative_sides(np.array([[0, 0, width, height]]), *sizes[annotation["image_id"]])[0]
            count[k] += 1
    return np.divide(total, count, out=np.full(len(classes), np.nan), where=count > 0)
