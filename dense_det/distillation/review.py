"""Images for a person to correct in an annotation tool, and the labels with the corrected boxes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dense_det.distillation.rule import REJECTED, Rule
from dense_det.distillation.shard_file import ImagePredictions

DECIMALS = 2  # of a pixel


@dataclass(frozen=True)
class ReviewBox:
    """`box`: xyxy in pixels; `score`: of the teacher, None of a person's."""

    label: str
    box: tuple[float, float, float, float]
    score: float | None = None


@dataclass(frozen=True)
class ReviewImage:
    """`as_uploaded`: the tool says of every box that it came from a file; None where there is none to say it of, so
    that nobody knows whether a person has looked."""

    file_name: str
    width: int
    height: int
    boxes: tuple[ReviewBox, ...]
    as_uploaded: bool | None = False


def uncertainty(found: ImagePredictions, rule: Rule) -> float:
    """How much a person's look at an image is worth: that of its most uncertain kept or unsure box, from 0 to 3.

    One point each: the score lies at the threshold (and none from twice the threshold on), no view agrees, and the
    views' boxes differ by their own side. 0 without such a box.
    """
    rows = rule.verdicts(found) != REJECTED
    if not rows.any():
        return 0.0
    thresholds = np.minimum(rule.thresholds[found.classes[rows]], 1)  # infinite where no score is enough
    margin = np.minimum(np.abs(found.scores[rows] - thresholds) / np.maximum(thresholds, 1e-9), 1)
    return float(((1 - margin) + (1 - found.votes[rows]) + np.minimum(found.spread[rows], 1)).max())


def other_shape(name: str, kind) -> str:
    return f"a {kind} on {name}: only boxes are read, so that it would be lost; draw a box in its place"


def name_and_size(name, width, height) -> tuple[str, tuple[int, int]]:
    if not name or not isinstance(name, str):
        raise ValueError(f"an image has the name {name!r}: expected that of its file")
    try:
        size = int(width), int(height)
    except (TypeError, ValueError, OverflowError):
        size = 0, 0
    if min(size) < 1:
        raise ValueError(f"{name}: expected width and height in whole pixels, got {width!r} and {height!r}")
    return name, size


def review_box(name: str, size: tuple[int, int], label, sides: Iterable, rotation) -> ReviewBox:
    """A person's box, cut at the edges of its image.

    Args:
        sides: x0, y0, x1, y1 in pixels, numbers or their text.

    Raises:
        ValueError: no class, turned, sides that are no finite numbers, or nothing left within the image.
    """
    if not isinstance(label, str):
        raise ValueError(f"a box on {name} has no class, but {label!r}")
    sides = tuple(sides)
    try:
        turned, box = float(rotation or 0), tuple(round(float(side), DECIMALS) for side in sides)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a {label} on {name} has no numbers for sides: {error}") from error
    if turned:
        raise ValueError(f"a {label} on {name} is turned by {rotation} degrees; boxes must be upright")
    x0, y0, x1, y1 = (min(max(side, 0.0), float(of)) for side, of in zip(box, size * 2, strict=True))
    if not (all(map(math.isfinite, box)) and x0 < x1 and y0 < y1):
        raise ValueError(
            f"a {label} on {name} has the sides {', '.join(map(str, box))}: expected x0 < x1 and y0 < y1 within "
            f"{size[0]} x {size[1]} pixels; mend it in the tool and export again"
        )
    return ReviewBox(label, (x0, y0, x1, y1))


def xywh(box: ReviewBox) -> tuple[float, float, float, float]:
    """As COCO has it, and select writes it."""
    x0, y0, x1, y1 = box.box
    return x0, y0, round(x1 - x0, DECIMALS), round(y1 - y0, DECIMALS)


def merge_review(coco: dict, reviewed: list[ReviewImage]) -> dict:
    """`coco` with a person's boxes in place of all annotations of the reviewed images, which get "reviewed": True.

    A person's boxes have no score. A reviewed image that the file dropped is added.

    Args:
        reviewed: with the names that the file has; see ReviewNames.

    Raises:
        ValueError: a class that the file does not have, an image that has another size there, or was reviewed twice.
    """
    category = {row["name"]: row["id"] for row in coco["categories"]}
    images = {row["file_name"]: dict(row) for row in coco["images"]}
    next_image = max((row["id"] for row in coco["images"]), default=0) + 1
    next_box = max((row["id"] for row in coco["annotations"]), default=0) + 1
    seen, added = set(), []
    for image in reviewed:
        size = {"width": image.width, "height": image.height}
        row = images.get(image.file_name)
        if row is None:
            row = images[image.file_name] = {"id": next_image, "file_name": image.file_name} | size
            next_image += 1
        if row["id"] in seen:
            raise ValueError(f"{image.file_name} was reviewed twice")
        if (of_labels := {key: row.get(key, size[key]) for key in size}) != size:
            raise ValueError(f"{image.file_name}: reviewed with {size}, but the labels have {of_labels}")
        seen.add(row["id"])
        row["reviewed"] = True
        for box in image.boxes:
            if box.label not in category:
                raise ValueError(f"{image.file_name}: class {box.label!r} is none of {list(category)}")
            sides = xywh(box)
            of_person = {"image_id": row["id"], "category_id": category[box.label], "bbox": [*sides]}
            added.append({"id": next_box, **of_person, "area": round(sides[2] * sides[3], DECIMALS), "iscrowd": 0})
            next_box += 1
    left = [row for row in coco["annotations"] if row["image_id"] not in seen]
    return coco | {"images": list(images.values()), "annotations": left + added}
