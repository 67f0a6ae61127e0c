"""Images of a CVAT export that nobody has changed: CVAT does not tell whether somebody looked at them.

What nobody changed has the boxes that `export` wrote, which it notes in a record beside the labels.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dense_det.distillation.review import DECIMALS, ReviewImage, xywh
from dense_det.distillation.review_name import ReviewNames
from dense_det.distillation.work_folder import write_json

# of each image all that export ever wrote, as how often a box of (class, x, y, width, height) was there
Exported = dict[str, list[Counter]]


def record_path(labels) -> Path:
    """pseudo.json -> pseudo.exported.json, beside pseudo.manifest.json."""
    return Path(labels).with_suffix(".exported.json")


def add_to_record(path, images: Iterable[ReviewImage]) -> None:
    """Note what is exported, beside what was before: any of these files may come back.

    Raises:
        ValueError: there is another file; see read_record.
    """
    exported = read_record(path)
    for image in images:
        boxes, known = _boxes(image), exported.setdefault(image.file_name, [])
        known[:] = [*(one for one in known if one != boxes), boxes]  # the latest last
    rows = [
        {"file_name": name, "boxes": [list(box) for box in boxes.elements()]}
        for name, known in exported.items()
        for boxes in known
    ]
    write_json(path, {"images": rows})


def read_record(path) -> Exported:
    """What add_to_record wrote; nothing where there is no such file.

    Raises:
        ValueError: not what it writes.
    """
    exported: Exported = {}
    try:
        for row in json.loads(Path(path).read_text(encoding="utf-8"))["images"]:
            boxes = Counter((label, *map(float, sides)) for label, *sides in row["boxes"])
            exported.setdefault(row["file_name"], []).append(boxes)
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path}: not the record of boxes that export keeps ({type(error).__name__}: {error}): move it away, and "
            "export once more with the old --size and another --out"
        ) from error
    return exported


def split_untouched(
    coco: dict, exported: Exported, reviewed: list[ReviewImage]
) -> tuple[list[ReviewImage], list[ReviewImage], list[ReviewImage]]:
    """(changed, untouched, unknown).

    Untouched: all boxes came from a file, and are those that were exported, neither more nor fewer; of an image that
    `exported` does not have, those of `coco`. Unknown: all came from a file, and neither has the image, or they are
    those of an earlier export, which a person who deletes boxes may give, too.

    Raises:
        ValueError: an image whose boxes all came from a file is not found.
    """
    image_ids = {row["file_name"]: row["id"] for row in coco["images"]}
    names, ours = ReviewNames([*image_ids, *(name for name in exported if name not in image_ids)]), _of_labels(coco)
    changed, untouched, unknown = [], [], []
    for image in reviewed:
        if not image.as_uploaded:
            changed.append(image)
            continue
        name = names.find(image.file_name)
        if name not in exported and name not in image_ids:
            unknown.append(image)
            continue
        before = exported.get(name) or [ours.get(image_ids[name])]
        boxes = _boxes(image)
        (untouched if boxes == before[-1] else unknown if boxes in before else changed).append(image)
    return changed, untouched, unknown


def _boxes(image: ReviewImage) -> Counter:
    return Counter((box.label, *xywh(box)) for box in image.boxes)


def _of_labels(coco: dict) -> dict[int, Counter]:
    """By image id, as _boxes."""
    classes = {row["id"]: row["name"] for row in coco["categories"]}
    boxes = {}
    for row in coco["annotations"]:
        box = classes.get(row.get("category_id")), *(round(side, DECIMALS) for side in row.get("bbox", ()))
        boxes.setdefault(row["image_id"], Counter())[box] += 1
    return boxes
