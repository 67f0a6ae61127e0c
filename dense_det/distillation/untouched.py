"""Images of a CVAT export that nobody has changed: CVAT does not tell whether somebody looked at them.

What nobody changed has the boxes that `export` wrote, which it notes in a record beside the labels; with the names
that it gave the images, as those are paths from a folder that the tool does not tell. Corrected labels have a record
that names this one: the next review goes into them, and may hold what no person has touched, either.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dense_det.distillation.review import DECIMALS, ReviewImage, xywh
from dense_det.distillation.work_folder import write_json


@dataclass(frozen=True)
class Exported:
    """All that `export` ever wrote of some labels.

    `boxes`: of each file, for CVAT, as how often a box of (class, x, y, width, height) was there, the latest last.
    `names`: of each name that a tool was given the files that it stood for.
    """

    boxes: dict[str, list[Counter]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add_boxes(self, file_name: str, boxes: Counter) -> None:
        known = self.boxes.setdefault(file_name, [])
        known[:] = [*(one for one in known if one != boxes), boxes]  # the latest last

    def add_name(self, name: str, file_name: str) -> None:
        if file_name not in (files := self.names.setdefault(name, [])):
            files.append(file_name)


def record_path(labels) -> Path:
    """pseudo.json -> pseudo.exported.json, beside pseudo.manifest.json."""
    return Path(labels).with_suffix(".exported.json")


def add_to_record(path, images: Iterable[ReviewImage], names: Mapping[str, str] | None = None) -> None:
    """Note what is exported, beside what was before: any of these files may come back.

    Args:
        images: with the names of their files, as the labels have them.
        names: what the tool is given for the name of a file.

    Raises:
        ValueError: there is another file; see read_record.
    """
    exported, earlier = _read(path)
    for image in images:
        exported.add_boxes(image.file_name, _boxes(image))
    for file_name, name in (names or {}).items():
        exported.add_name(name, file_name)
    _write(path, exported, earlier)


def hand_on_record(labels, corrected) -> None:
    """Whatever is exported of `labels`, now or later, may come back into `corrected`, too, the labels with a person's
    boxes: the record of these names that of `labels`.

    Raises:
        ValueError: one of the records is another file; see read_record.
    """
    path, before = record_path(corrected), record_path(labels)
    name = os.path.relpath(before, path.parent)
    exported, earlier = _read(path)
    if before.exists() and name not in (*earlier, path.name):
        _write(path, exported, [*earlier, name])


def _write(path, exported: Exported, earlier: list[str]) -> None:
    rows = [
        {"file_name": name, "boxes": [list(box) for box in boxes.elements()]}
        for name, known in exported.boxes.items()
        for boxes in known
    ]
    write_json(path, {"images": rows, "names": exported.names, "earlier": earlier})


def read_record(path) -> Exported:
    """What add_to_record wrote, behind what it wrote of earlier labels; nothing where there is no such file.

    Raises:
        ValueError: not what it writes.
    """
    everything, left, seen = Exported(), [Path(path)], []
    while left:
        record = left.pop()
        if (place := os.path.realpath(record)) not in seen:
            seen.append(place)
            left += [record.parent / name for name in _read(record)[1]]
    for place in reversed(seen):
        exported, _ = _read(place)
        for file_name, known in exported.boxes.items():
            for boxes in known:
                everything.add_boxes(file_name, boxes)
        for name, files in exported.names.items():
            for file_name in files:
                everything.add_name(name, file_name)
    return everything


def _read(path) -> tuple[Exported, list[str]]:
    """What one record has, and the records of earlier labels that it names."""
    exported, earlier = Exported(), []
    try:
        tree = json.loads(Path(path).read_text(encoding="utf-8"))
        for row in tree["images"]:
            boxes = Counter((label, *map(float, sides)) for label, *sides in row["boxes"])
            exported.boxes.setdefault(row["file_name"], []).append(boxes)
        for name, files in tree.get("names", {}).items():  # none where an older export wrote it
            if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
                raise TypeError(f"{name} stands for {files!r}, expected a list of files")
            exported.names[name] = files
        for name in tree.get("earlier", []):
            earlier.append(os.fspath(name))
    except FileNotFoundError:
        return Exported(), []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path}: not the record of boxes that export keeps ({type(error).__name__}: {error}): move it away, and "
            "export once more with the old --size and another --out"
        ) from error
    return exported, earlier


def split_untouched(
    coco: dict, exported: Exported, reviewed: list[ReviewImage]
) -> tuple[list[ReviewImage], list[ReviewImage], list[ReviewImage]]:
    """(changed, untouched, unknown).

    Untouched: all boxes came from a file, and are those that were exported, neither more nor fewer; of an image that
    `exported` does not have, those of `coco`. So is one without a box that was not exported while others were: a task
    may have more images than an export. Unknown: all came from a file, and neither has the image, or they are
    those of an earlier export, which a person who deletes boxes may give, too.

    Args:
        reviewed: with the names that the labels have; see ReviewNames.
    """
    image_ids = {row["file_name"]: row["id"] for row in coco["images"]}
    ours = _of_labels(coco)
    changed, untouched, unknown = [], [], []
    for image in reviewed:
        name = image.file_name
        if not image.as_uploaded:
            never_given = image.as_uploaded is None and exported.boxes and name not in exported.boxes
            (untouched if never_given else changed).append(image)
            continue
        if name not in exported.boxes and name not in image_ids:
            unknown.append(image)
            continue
        before = exported.boxes.get(name) or [ours.get(image_ids[name])]
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
