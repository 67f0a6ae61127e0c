"""Labelled pages -> COCO: which pages are taken, how classes are mapped, pixels instead of points."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from dense_det.data.classes import PAGE_TO_PUBLAYNET
from dense_det.data.docpages_sources import Source
from dense_det.data.docpages_work import RICH, LabelledPage
from dense_det.data.pdf.geometry import merge_touching

# pages without a box teach where nothing is; more than this share of them would starve the rest
EMPTY_SHARE = 0.15
# PubLayNet boxes a list as a whole: items closer than this (points) are one list
_LIST_GAP = 9.0


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page of the data set: `number` of `source`, rendered with its longer side `long_side` pixels."""

    source: Source
    number: int
    page: LabelledPage
    long_side: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the image in pixels."""
        scale = self.long_side / max(self.page.width, self.page.height)
        return max(1, math.floor(self.page.width * scale + 0.5)), max(1, math.floor(self.page.height * scale + 0.5))

    @property
    def file_name(self) -> str:
        return f"{Path(self.source.name).stem}-{self.source.sha256[:8]}-{self.number:04d}-{self.long_side}px.jpg"

    def provenance(self) -> dict:
        return {
            "file_name": self.file_name, "split": self.source.split, "package": self.source.package,
            "version": self.source.version, "pdf": self.source.name, "sha256": self.source.sha256,
            "page": self.number,
        }  # fmt: skip


def boxes_of(page: LabelledPage, labels: str, names) -> list[tuple[str, tuple]]:
    """(class name, box in points) of the regions whose class is in `names`."""
    boxes = list(page.regions)
    if labels == "publaynet":
        boxes = [(PAGE_TO_PUBLAYNET[kind], box) for kind, box in boxes]
        lists = merge_touching([box for kind, box in boxes if kind == "list"], _LIST_GAP)
        boxes = [(kind, box) for kind, box in boxes if kind != "list"] + [("list", box) for box in lists]
        boxes.sort(key=lambda item: (item[1][1], item[1][0]))
    return [(kind, box) for kind, box in boxes if kind in names]


def choose_pages(entries: list[PageEntry], labels: str, names, num_pages: int | None, seed: int) -> list[PageEntry]:
    """At most `num_pages`, rich ones first, with at most EMPTY_SHARE of pages without a box; in a fixed order."""

    def chance(entry: PageEntry) -> bytes:
        return hashlib.sha256(f"{seed} {entry.source.sha256} {entry.number}".encode()).digest()

    drawn = sorted(entries, key=chance)
    drawn.sort(key=lambda entry: not any(kind in RICH for kind, _ in entry.page.regions))
    full = [entry for entry in drawn if boxes_of(entry.page, labels, names)]
    empty = [entry for entry in drawn if not boxes_of(entry.page, labels, names)]
    num_pages = len(entries) if num_pages is None else num_pages
    num_empty = min(len(empty), int(EMPTY_SHARE * min(num_pages, len(full) / (1 - EMPTY_SHARE))))
    chosen = full[: num_pages - num_empty] + empty[:num_empty]
    return sorted(chosen, key=lambda entry: (entry.source.package, entry.source.name, entry.number))


def coco_json(entries: list[PageEntry], labels: str, names) -> dict:
    """The COCO tree of `entries`; ids count from 1, boxes are xywh in pixels, clipped to the image."""
    ids = {name: index for index, name in enumerate(names, start=1)}
    images, annotations = [], []
    for image_id, entry in enumerate(entries, start=1):
        width, height = entry.size
        images.append({
            "id": image_id, "file_name": entry.file_name, "width": width, "height": height,
            "package": entry.source.package, "pdf": entry.source.name, "page": entry.number,
        })  # fmt: skip
        across, down = width / entry.page.width, height / entry.page.height
        for kind, (x0, y0, x1, y1) in boxes_of(entry.page, labels, names):
            x0, x1 = (min(max(x * across, 0), width) for x in (x0, x1))
            y0, y1 = (min(max(y * down, 0), height) for y in (y0, y1))
            box = [round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2)]
            if min(box[2:]) < 1:
                continue
            annotations.append({
                "id": len(annotations) + 1, "image_id": image_id, "category_id": ids[kind], "bbox": box,
                "area": round(box[2] * box[3], 2), "iscrowd": 0,
            })  # fmt: skip
    categories = [{"id": index, "name": name, "supercategory": "page"} for name, index in ids.items()]
    info = {"description": "document pages, boxes from the structure of born-digital PDFs"}
    return {"info": info, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
