"""Label Studio's tasks: images with predictions for it, and its export of a person's boxes."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from dense_det.atomic_file import atomic_file
from dense_det.distillation.review import ReviewImage, name_and_size, other_shape, review_box
from dense_det.distillation.review_name import local_files_url
from dense_det.drawing import class_color

BOX = "rectanglelabels"  # what Label Studio calls one
MODEL_VERSION = "dense_det"
_SHAPES = {"x", "points", "rle", "vertices", "imageDataURL"}  # keys of regions that are drawn


def write_label_studio(path, images: Iterable[ReviewImage]) -> None:
    """Tasks with predictions; sides are percent of the image, as Label Studio has them.

    The predictions are all of one "model version": a project takes that of its first tasks, and shows of later ones
    those of no other, so that a second export would look as if nothing had been found.

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
        tasks.append({"data": data, "predictions": [{"model_version": MODEL_VERSION, "result": result}]})
    with atomic_file(path) as file:
        json.dump(tasks, file, indent=1)


def write_label_config(path, classes: list[str]) -> None:
    """Label Studio's labelling config that fits the tasks of write_label_studio."""
    view = ET.Element("View")
    ET.SubElement(view, "Image", name="image", value="$image")
    # turned boxes cannot be read back
    labels = ET.SubElement(view, "RectangleLabels", name="label", toName="image", canRotate="false")
    for index, name in enumerate(classes):
        ET.SubElement(labels, "Label", value=name, background="#{:02x}{:02x}{:02x}".format(*class_color(index)))
    ET.indent(view)
    with atomic_file(path, "wb") as file:
        ET.ElementTree(view).write(file, encoding="utf-8")


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
    if not isinstance(tasks, list):
        raise ValueError("no list of tasks, as COCO's files are none: export from Label Studio as JSON")
    images = []
    for task in tasks:
        if isinstance(task, dict) and not task.keys() & {"data", "annotations"}:
            raise ValueError('tasks without "data" and "annotations", as in JSON-MIN: export from Label Studio as JSON')
        if answer := _answer(task.get("annotations", [])):
            name, size = name_and_size(*(task["data"][key] for key in ("image", "width", "height")))
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
                    boxes.append(review_box(name, size, label, sides, value.get("rotation")))
                elif _SHAPES & value.keys() and region.get("id") not in known:  # else words about the image, or a box
                    raise ValueError(other_shape(name, kind))
            images.append(ReviewImage(name, *size, tuple(boxes)))
    return images


def _answer(annotations: list[dict]) -> dict | None:
    """Of several people's that which was made the ground truth, else the one changed last; none that was skipped."""
    given = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    # times are text of ISO 8601; without any the last in the list counts
    ranked = [(bool(a.get("ground_truth")), str(a.get("updated_at") or ""), place) for place, a in enumerate(given)]
    return given[max(ranked)[-1]] if given else None
