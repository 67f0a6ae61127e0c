"""Pseudo-labels as one COCO file, written image by image."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from dense_det.atomic_file import atomic_file
from dense_det.distillation.image_name import full_name
from dense_det.distillation.image_reader import BadImage, ImageReader
from dense_det.distillation.rule import KEPT, REJECTED, UNSURE, Rule
from dense_det.distillation.shard_file import ShardPredictions
from dense_det.distillation.work_folder import InputImage
from dense_det.drawing import save_image

_KINDS = {
    "images": {"id": int, "file_name": str},
    "annotations": {"id": int, "image_id": int},
    "categories": {"id": int, "name": str},
}


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
    shards: Iterable[tuple[dict[int, InputImage], ShardPredictions]],
    rule: Rule,
    info: dict,
    keep_empty: bool,
    file_name: Callable[[InputImage], str] = lambda image: image.file_name,
    fields_of_mask: Callable[[dict, np.ndarray], dict] = lambda rle, box: {},
) -> LabelCounts:
    """Write `path`, whole or not at all, without holding more than a shard of it.

    Every annotation has score, votes and spread; unsure boxes have iscrowd 1. Category ids are 1 ... K in the order
    of `classes`, so that training sees them in that order. Until the end annotations lie in a nameless file beside
    `path`, which so needs the room of almost two.

    Args:
        shards: images by id, and what was found on those that could be read.
        keep_empty: write images without a kept box, too.
        file_name: where training finds the image.
        fields_of_mask: more fields of an annotation, of its COCO RLE and its xyxy box, where there are masks.
    """
    num_images = num_annotations = empty = 0
    totals = np.zeros((3, len(classes)), np.int64)
    with atomic_file(path) as file, tempfile.TemporaryFile("w+", dir=Path(path).parent, encoding="utf-8") as later:
        categories = [{"id": k, "name": name} for k, name in enumerate(classes, 1)]
        file.write(f'{{"info": {json.dumps(info)},\n"categories": {json.dumps(categories)},\n"images": [')
        for inputs, found in shards:
            verdicts, num_rows = rule.verdicts(found), np.diff(found.offsets)
            images = [inputs[image_id] for image_id in found.image_id.tolist()]
            place = np.repeat(np.arange(len(images)), num_rows)  # of each box's image
            labelled = np.bincount(place, verdicts == KEPT, len(images)) > 0
            empty += int((~labelled).sum())
            written = labelled | keep_empty
            for index in np.flatnonzero(written).tolist():
                image = images[index]
                row = {"id": image.id, "file_name": file_name(image), "width": image.width, "height": image.height}
                file.write((",\n" if num_images else "\n") + json.dumps(row))
                num_images += 1
            rows = np.flatnonzero((verdicts != REJECTED) & written[place])
            np.add.at(totals, (verdicts[rows], found.classes[rows]), 1)
            sizes = np.array([(image.width, image.height) * 2 for image in images], np.float32).reshape(-1, 4)
            texts = _annotations(found, rows, verdicts[rows] == UNSURE, sizes[place[rows]], fields_of_mask)
            for text in texts:
                num_annotations += 1
                later.write(f'{"," if num_annotations > 1 else ""}\n{{"id": {num_annotations}, {text}}}')
        file.write('],\n"annotations": [')
        later.seek(0)
        shutil.copyfileobj(later, file)
        file.write("]}\n")
    return LabelCounts(num_images, empty, totals[KEPT], totals[UNSURE])


def read_labels(path) -> dict:
    """The tree of a COCO file whose images have a file_name.

    Raises:
        ValueError: another file, with the first value that is missing or of another kind.
    """
    try:
        with open(path, encoding="utf-8") as file:
            coco = json.load(file)
        for key, kinds in _KINDS.items():
            for row in coco[key]:
                for name, kind in kinds.items():
                    if type(row[name]) is not kind:
                        raise TypeError(f"{key}: {name} {row[name]!r}, expected {kind.__name__}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: not the COCO file that select writes ({type(error).__name__}: {error})") from error
    return coco


class Extractor:
    """The file name of an image for training; members of tar files and pages of PDFs become PNGs in `folder`.

    Raises:
        ValueError: such an image, and no folder for it, or one that cannot be read any more.
    """

    def __init__(self, folder=None):
        self.folder = Path(folder).absolute() if folder else None
        self.reader = ImageReader()

    def name_of(self, image: InputImage) -> str:
        """The name alone; nothing is written."""
        if image.member is None and image.page is None:
            return image.file_name
        if self.folder is None:
            raise ValueError(f"{full_name(image)} is no file that training could open: give --extract DIR")
        # digest and size (PDFs have pages of any resolution) in the name: a file that is there is the right one
        return str(self.folder / f"{image.id:09d}-{image.sha256[:12]}-{image.width}x{image.height}.png")

    def __call__(self, image: InputImage) -> str:
        name = self.name_of(image)
        if name != image.file_name and not Path(name).exists():
            try:
                save_image(name, self.reader.read(image))
            except BadImage as error:
                raise ValueError(f"{full_name(image)} was labelled, but cannot be extracted: {error}") from error
        return name


def _annotations(
    found: ShardPredictions, rows: np.ndarray, unsure: np.ndarray, sizes: np.ndarray, fields_of_mask: Callable
) -> Iterator[str]:
    """The fields of an annotation, but for its id, as JSON, of each of `rows` with (R, 4) `sizes` of their images.

    A million dictionaries would take json.dumps more time than all else of `select`.
    """
    boxes = np.round(found.boxes[rows].clip(0, sizes).astype(np.float64), 2)
    sides = boxes[:, 2:] - boxes[:, :2]
    image_ids = np.repeat(found.image_id, np.diff(found.offsets))[rows]
    columns = (
        rows, image_ids, found.classes[rows] + 1, boxes[:, :2], sides, np.round(sides, 2), unsure.astype(int),
        *(np.round(column[rows].astype(np.float64), digits)
          for column, digits in ((found.scores, 5), (found.votes, 4), (found.spread, 5))),
        sizes[:, :2].astype(int),
    )  # fmt: skip
    for row, image, category, (x, y), (w, h), (width, height), crowd, score, votes, spread, size in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        area, more = round(w * h, 2), ""
        if found.mask_counts is not None:
            rle = _rle(found, row, size)
            pixels = int(coco_mask.area(rle))
            area = pixels or area  # COCO's is the mask's, where there is one
            # without a pixel it would teach a mask head that there is nothing: check_data refuses that
            fields = ({"segmentation": rle} if pixels else {}) | fields_of_mask(rle, found.boxes[row])
            more = "".join(f', "{key}": {json.dumps(value)}' for key, value in fields.items())
        yield (
            f'"image_id": {image}, "category_id": {category}, "bbox": [{x}, {y}, {width}, {height}], '
            f'"area": {area}, "iscrowd": {crowd}, "score": {score}, "votes": {votes}, "spread": {spread}{more}'
        )


def _rle(found: ShardPredictions, row: int, size: list[int]) -> dict:
    start, end = found.mask_offsets[row : row + 2].tolist()
    return {"size": size[::-1], "counts": found.mask_counts[start:end].tobytes().decode("ascii")}
