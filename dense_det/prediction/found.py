"""Files of what a detector found: a COCO file and a table."""

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from dense_det.atomic_file import atomic_file
from dense_det.distillation.image_name import printable
from dense_det.distillation.label_file import write_labels
from dense_det.distillation.rule import KEPT, Rule, read_inputs_and_shards
from dense_det.distillation.shard_file import ImagePredictions, ShardPredictions
from dense_det.distillation.work_folder import InputImage, WorkFolder
from dense_det.prediction.listing import FOUND, begun_here, mark_of, read_copies
from dense_det.quad import masks_to_quads

COLUMNS = ("image", "class", "score", "x0", "y0", "x1", "y1")
CORNERS = tuple(f"corner{number}_{axis}" for number in range(1, 5) for axis in "xy")
FORMULA = ("=", "+", "-", "@", "\t", "\n")  # what a cell begins with that a spreadsheet computes (OWASP, CSV injection)


@dataclass(frozen=True)
class Found:
    """What is kept of an image's boxes."""

    image: InputImage
    boxes: np.ndarray  # (R, 4) xyxy in pixels
    scores: np.ndarray  # (R,)
    classes: np.ndarray  # (R,)
    quads: np.ndarray | None  # (R, 4, 2) corners in pixels, where the detector has masks

    def stem(self) -> str:
        """For names of files: the image's number, and its own name for people."""
        name = Path(self.image.member or self.image.file_name).stem[:60]
        page = "" if self.image.page is None else f"-page{self.image.page + 1}"
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)
        return f"{self.image.id:06d}-{safe}{page}"


def title(image: InputImage) -> str:
    """A file's name, a member of a tar file, or a page of a PDF."""
    if image.member is not None:
        return f"{image.file_name}:{image.member}"
    return image.file_name if image.page is None else f"{image.file_name}:page {image.page + 1}"


def kept(image: InputImage, found: ImagePredictions, rule: Rule) -> Found:
    """The boxes whose score reaches the threshold of their class, best first."""
    rows = np.flatnonzero(rule.verdicts(found) == KEPT)
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]
    quads = None
    if found.masks is not None:
        rles = [{"size": [image.height, image.width], "counts": found.masks[row]} for row in rows]
        quads = np.array([corners(*pair) for pair in zip(rles, found.boxes[rows], strict=True)]).reshape(-1, 4, 2)
    return Found(image, found.boxes[rows], found.scores[rows], found.classes[rows], quads)


def corners(rle: dict, box: np.ndarray) -> np.ndarray:
    """(4, 2) x, y in pixels, clockwise, of a mask as COCO's RLE within an xyxy box."""
    return masks_to_quads(coco_mask.decode(rle).astype(bool)[None], box[None])[0]


def _quad_field(rle: dict, box: np.ndarray) -> dict:
    return {"quad": [round(float(side), 2) for side in corners(rle, box).ravel()]}


def require_free(out: Path, work: WorkFolder) -> None:
    """Raises ValueError where a first run would overwrite a found.json or found.csv that is another's."""
    if begun_here(work):
        return
    for path in (out / name for name in FOUND):
        if path.exists():
            raise ValueError(
                f"{path} is there, and no {mark_of(work)} tells that it was written here: move it away, or give "
                "another --out"
            )


def write_found(out: Path, work: WorkFolder, rule: Rule) -> dict[str, int]:
    """Write what a finished run found: `out`/found.json (COCO with scores) and found.csv.

    Where the detector has masks, an annotation has "quad", as those of datasets/prepare_idcards.py: x, y of four
    corners, clockwise. A mask does not tell which corner is the first in the document's own frame: it is the top left
    one as the document is held.

    Images that were looked at once, for their bytes are the same, are written one by one. In the table a file or class
    whose name begins like a formula has an apostrophe before it.

    Returns:
        {class: number of objects}, and under "" the number of images.
    """
    info = {"description": "what a detector found, not what people labelled"}
    classes = work.read_manifest().classes
    shards = _with_copies(work, read_copies(work))
    counts = write_labels(out / "found.json", classes, shards, rule, info, True, title, _quad_field)
    with atomic_file(out / "found.csv") as file:
        table, answers = csv.writer(file, lineterminator="\n"), read_found(work, rule)
        first = next(answers, None)  # where no image has an answer, none tells of corners
        table.writerow(COLUMNS + (CORNERS if first and first.quads is not None else ()))
        for found in itertools.chain([first] if first else [], answers):
            table.writerows(_rows(found, classes))
    return {"": counts.images} | dict(zip(classes, counts.kept.tolist(), strict=True))


def read_found(work: WorkFolder, rule: Rule) -> Iterator[Found]:
    """What is kept of each image that a finished run looked at, and of its copies behind it."""
    for inputs, predictions in _with_copies(work, read_copies(work)):
        for found in predictions:
            yield kept(inputs[found.image_id], found, rule)


def _with_copies(work: WorkFolder, copies: dict[str, list[InputImage]]) -> Iterator[tuple[dict, ShardPredictions]]:
    """One shard after the other, as read_inputs_and_shards; copies come behind the image that was looked at."""
    for inputs, predictions in read_inputs_and_shards(work.images, work.read_plan().num_shards):
        if not copies:
            yield inputs, predictions
            continue
        answers = []
        for found in predictions:
            image = inputs[found.image_id]
            same = [copy for copy in copies.get(image.sha256, ()) if title(copy) != title(image)]
            inputs |= {copy.id: replace(copy, width=image.width, height=image.height) for copy in same}
            answers += [found, *(replace(found, image_id=copy.id) for copy in same)]
        yield inputs, ShardPredictions.join(answers)


def _rows(found: Found, classes: list[str]) -> list[list]:
    rows = []
    for k, (box, score, kind) in enumerate(zip(found.boxes, found.scores, found.classes, strict=True)):
        corners = [] if found.quads is None else found.quads[k].ravel()
        sides = [f"{side:.2f}" for side in (*box, *corners)]
        # csv does not quote it before Python 3.13, and reads it as a row's end
        name = classes[kind].replace("\r", "\\r")
        rows.append([_text_cell(printable(title(found.image))), _text_cell(name), f"{score:.4f}", *sides])
    return rows


def _text_cell(text: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
