"""Images for a person to correct in an annotation tool, and the corrected boxes: Label Studio's JSON, CVAT's XML."""

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.distillation.image_name import printable
from dense_det.distillation.review_name import local_files_url
from dense_det.distillation.rule import REJECTED, Rule
from dense_det.distillation.shard_file import ImagePredictions

DECIMALS = 2  # of a pixel
BOX = "rectanglelabels"  # what Label Studio calls one
_SHAPES = {"x", "points", "rle", "vertices", "imageDataURL"}  # keys of Label Studio's regions that are drawn
_CVAT_READ = {"box", "tag"}  # a tag is a word about the whole image
# what CVAT says of boxes that came from a file: the file's own word, in newer versions "file" of all. A person's are
# "manual" or "semi-auto"; one that only got another class keeps its word
_CVAT_UPLOADED = {"auto", "file"}


@dataclass(frozen=True)
class ReviewBox:
    """`box`: xyxy in pixels; `score`: of the teacher, None of a person's."""

    label: str
    box: tuple[float, float, float, float]
    score: float | None = None


@dataclass(frozen=True)
class ReviewImage:
    """`as_uploaded`: the tool says of every box, of one at least, that it came from a file."""

    file_name: str
    width: int
    height: int
    boxes: tuple[ReviewBox, ...]
    as_uploaded: bool = False


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


def write_label_studio(path, images: Iterable[ReviewImage], model: str) -> None:
    """Tasks with predictions; sides are percent of the image, as Label Studio has them.

    Args:
        images: named by their paths from Label Studio's document root.
    """
    tasks = []
    for image in images:
        result = []
        for box in image.boxes:
            x0, y0, x1, y1 = (
                100 * side / size for side, size in zip(box.box, (image.width, image.height) * 2, strict=True)
            )
            value = {
                "x": x0,
                "y": y0,
                "width": x1 - x0,
                "height": y1 - y0,
                "rotation": 0,
                BOX: [box.label],
            }
            result.append(
                {"type": BOX, "from_name": "label", "to_name": "image", "value": value}
                | {"original_width": image.width, "original_height": image.height}
                | ({} if box.score is None else {"score": box.score})
            )
        data = {"image": local_files_url(image.file_name), "width": image.width, "height": image.height}
        tasks.append({"data": data, "predictions": [{"model_version": model, "result": result}]})
    with atomic_file(path) as file:
        json.dump(tasks, file, indent=1)


def write_label_config(path, classes: list[str]) -> None:
    """Label Studio's labelling config that fits the tasks of write_label_studio."""
    view = ET.Element("View")
    ET.SubElement(view, "Image", name="image", value="$image")
    labels = ET.SubElement(view, "RectangleLabels", name="label", toName="image")
    for name in classes:
        ET.SubElement(labels, "Label", value=name)
    ET.indent(view)
    with atomic_file(path, "wb") as file:
        ET.ElementTree(view).write(file, encoding="utf-8")


def read_review(path) -> list[ReviewImage]:
    """The images that a person has seen, from CVAT's XML or, of any other name, Label Studio's JSON.

    Raises:
        ValueError: another file, or a box that cannot be; it names the file and the image.
    """
    read = read_cvat if str(path).lower().endswith(".xml") else read_label_studio
    try:
        return read(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{path}: no export of Label Studio or CVAT ({type(error).__name__}: {error})") from error


def read_label_studio(path) -> list[ReviewImage]:
    """The annotated tasks of a JSON export; those without an annotation, or skipped, are not reviewed. See _answer.

    Raises:
        ValueError, and what a tree of another shape raises: see read_review.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            tasks = json.load(file)
    except ValueError as error:
        raise ValueError(f"not JSON ({error}): expected Label Studio's .json or CVAT's .xml") from error
    images = []
    for task in tasks:
        if isinstance(task, dict) and not task.keys() & {"data", "annotations"}:
            raise ValueError('tasks without "data" and "annotations", as in JSON-MIN: export from Label Studio as JSON')
        if answer := _answer(task.get("annotations", [])):
            name, size = _name_and_size(*(task["data"][key] for key in ("image", "width", "height")))
            boxes, result = [], answer["result"]
            known = {region.get("id") for region in result if region.get("type") == BOX} - {None}
            for region in result:
                value, kind = region.get("value") or {}, region.get("type")
                if kind == BOX:
                    sides = (value["x"], value["y"], value["x"] + value["width"], value["y"] + value["height"])
                    sides = (side / 100 * of for side, of in zip(sides, size * 2, strict=True))
                    if len(value[BOX]) > 1:
                        raise ValueError(f"a box on {name} has the classes {value[BOX]}: expected one")
                    label = next(iter(value[BOX]), None)
                    boxes.append(_review_box(name, size, label, sides, value.get("rotation")))
                elif _SHAPES & value.keys() and region.get("id") not in known:  # else words about the image, or a box
                    raise ValueError(_other_shape(name, kind))
            images.append(ReviewImage(name, *size, tuple(boxes)))
    return images


def _answer(annotations: list[dict]) -> dict | None:
    """Of several people's that which was made the ground truth, else the one changed last; none that was skipped."""
    given = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    # times are text of ISO 8601; without any the last in the list counts
    ranked = [(bool(a.get("ground_truth")), str(a.get("updated_at") or ""), place) for place, a in enumerate(given)]
    return given[max(ranked)[-1]] if given else None


def write_cvat(path, images: Iterable[ReviewImage], classes: list[str]) -> None:
    """CVAT's "for images 1.1"; names that XML cannot hold are written as image_name.printable has them.

    CVAT looks for the frame of that name, and where there is none takes the frame with the number `id`: the numbers
    are those that it gives the images of a task, in the order of their names.

    Args:
        images: named by their paths from the folder of which the task is made.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    labels = ET.SubElement(ET.SubElement(ET.SubElement(root, "meta"), "task"), "labels")
    for name in classes:
        ET.SubElement(ET.SubElement(labels, "label"), "name").text = name
    for number, image in enumerate(sorted(images, key=lambda image: image.file_name)):
        size = {"width": str(image.width), "height": str(image.height)}
        element = ET.SubElement(root, "image", id=str(number), name=printable(image.file_name), **size)
        for box in image.boxes:
            corners = zip(("xtl", "ytl", "xbr", "ybr"), box.box, strict=True)
            sides = {key: f"{side:.{DECIMALS}f}" for key, side in corners}
            ET.SubElement(element, "box", label=box.label, occluded="0", source="auto", z_order="0", **sides)
    ET.indent(root)
    with atomic_file(path, "wb") as file:
        ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def read_cvat(path) -> list[ReviewImage]:
    """All images of an export "for images 1.1": it does not say which of them a person has seen; see untouched.py.

    Raises:
        ValueError, and what a tree of another shape raises: see read_review.
    """
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, ValueError, LookupError) as error:  # the last two: of its encoding
        raise ValueError(f"not XML ({error}): expected CVAT's export") from error
    if root.find("track") is not None:
        raise ValueError('tracks, as in "CVAT for video": export from CVAT as "CVAT for images 1.1"')
    images = []
    for image in root.iter("image"):
        name, size = _name_and_size(*(image.get(key) for key in ("name", "width", "height")))
        if other := next((child.tag for child in image if child.tag not in _CVAT_READ), None):
            raise ValueError(_other_shape(name, other))
        boxes = [
            _review_box(name, size, box.get("label"), map(box.get, ("xtl", "ytl", "xbr", "ybr")), box.get("rotation"))
            for box in image.iter("box")
        ]
        as_uploaded = bool(boxes) and all(child.get("source") in _CVAT_UPLOADED for child in image)
        images.append(ReviewImage(name, *size, tuple(boxes), as_uploaded))
    return images


def _other_shape(name: str, kind) -> str:
    return f"a {kind} on {name}: only boxes are read, so that it would be lost; draw a box in its place"


def _name_and_size(name, width, height) -> tuple[str, tuple[int, int]]:
    if not name or not isinstance(name, str):
        raise ValueError(f"an image has the name {name!r}: expected that of its file")
    try:
        size = int(width), int(height)
    except (TypeError, ValueError, OverflowError):
        size = 0, 0
    if min(size) < 1:
        raise ValueError(f"{name}: expected width and height in whole pixels, got {width!r} and {height!r}")
    return name, size


def _review_box(name: str, size: tuple[int, int], label, sides: Iterable, rotation) -> ReviewBox:
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
