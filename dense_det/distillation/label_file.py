"""Pseudo-labels as one COCO file, written image by image."""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.distillation.image_reader import ImageReader
from dense_det.distillation.rule import KEPT, UNSURE, Rule
from dense_det.distillation.shard_file import ImagePredictions
from dense_det.distillation.work_folder import InputImage
from dense_det.drawing import save_image


@dataclass(frozen=True)
class LabelCounts:
    """Of a written file; `kept` and `unsure` are (K,) boxes, `empty` images without a kept box (written or not)."""

    images: int
    empty: int
    kept: np.ndarray
    unsure: np.ndarray


def write_labels(
    path,
    classes: list[str],
    images: Callable[[], Iterable[tuple[InputImage, ImagePredictions]]],
    rule: Rule,
    info: dict,
    keep_empty: bool,
    file_name: Callable[[InputImage], str] = lambda image: image.file_name,
) -> LabelCounts:
    """Write `path`, whole or not at all, without holding more than an image of it.

    Every annotation has score, votes and spread; unsure boxes have iscrowd 1. Category ids are 1 ... K in the order
    of `classes`, so that training sees them in that order.

    Args:
        images: gives, each time it is called, the same images; it is walked through twice.
        keep_empty: write images without a kept box, too.
        file_name: where training finds the image.
    """
    num_images = empty = 0
    totals = np.zeros((3, len(classes)), np.int64)
    with atomic_file(path) as file:
        categories = [{"id": k, "name": name} for k, name in enumerate(classes, 1)]
        file.write(f'{{"info": {json.dumps(info)},\n"categories": {json.dumps(categories)},\n"images": [')
        for image, found in images():
            verdicts = rule.verdicts(found)
            empty += not (verdicts == KEPT).any()
            if keep_empty or (verdicts == KEPT).any():
                row = {"id": image.id, "file_name": file_name(image), "width": image.width, "height": image.height}
                file.write((",\n" if num_images else "\n") + json.dumps(row))
                num_images += 1
        file.write('],\n"annotations": [')
        numbers = itertools.count(1)
        for image, found in images():
            verdicts = rule.verdicts(found)
            if keep_empty or (verdicts == KEPT).any():
                np.add.at(totals, (verdicts, found.classes), 1)
                for row in _annotations(image, found, verdicts, numbers):
                    file.write((",\n" if row["id"] > 1 else "\n") + json.dumps(row))
        file.write("]}\n")
    return LabelCounts(num_images, empty, totals[KEPT], totals[UNSURE])


def file_digest(path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Extractor:
    """The file name of an image for training; members of tar files and pages of PDFs become PNGs in `folder`.

    Raises:
        ValueError: such an image, and no folder for it.
    """

    def __init__(self, folder=None):
        self.folder = Path(folder).absolute() if folder else None
        self.reader = ImageReader()

    def __call__(self, image: InputImage) -> str:
        if image.member is None and image.page is None:
            return image.file_name
        if self.folder is None:
            inside = f"{image.member} in" if image.member is not None else f"page {image.page + 1} of"
            raise ValueError(f"{inside} {image.file_name} is no file that training could open: give --extract DIR")
        # the digest in the name: a file that is there is the right one
        path = self.folder / f"{image.id:09d}-{image.sha256[:12]}.png"
        if not path.exists():
            save_image(path, self.reader.read(image))
        return str(path)


def _annotations(image: InputImage, found: ImagePredictions, verdicts, numbers) -> Iterator[dict]:
    size = np.array([image.width, image.height] * 2, np.float32)
    for row in np.flatnonzero(verdicts):  # not REJECTED
        x0, y0, x1, y1 = (round(float(side), 2) for side in found.boxes[row].clip(0, size))
        annotation = {
            "id": next(numbers),
            "image_id": image.id,
            "category_id": int(found.classes[row]) + 1,
            "bbox": [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)],
            "area": round((x1 - x0) * (y1 - y0), 2),
            "iscrowd": int(verdicts[row] == UNSURE),
            "score": round(float(found.scores[row]), 5),
            "votes": round(float(found.votes[row]), 4),
            "spread": round(float(found.spread[row]), 5),
        }
        if found.masks is not None:
            rle = {"size": [image.height, image.width], "counts": found.masks[row].decode("ascii")}
            annotation["segmentation"] = rle
        yield annotation
