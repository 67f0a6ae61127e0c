"""Building the document pages: PDFs -> images and COCO JSON files with boxes from the PDFs' own structure."""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.data.cache import cache_folder
from dense_det.data.classes import label_names
from dense_det.data.docpages_coco import PageEntry, choose_pages, coco_json
from dense_det.data.docpages_sources import folder_sources, frozen_sources, missing_packages
from dense_det.data.docpages_work import label_sources, render_entries, require_own_folder
from dense_det.data.frozen_list import SPLITS

logger = logging.getLogger(__name__)


def prepare_docpages(
    out=None,
    *,
    frozen_list=None,
    pdfs=None,
    debs=None,
    labels: str = "doclaynet",
    classes=None,
    num_pages: int | None = None,
    long_side: int = 1000,
    workers: int = 1,
    seed: int = 0,
    without: Sequence[str] = (),
) -> dict:
    """Write `out`/{train,val}.json, `out`/images/*.jpg and `out`/manifest.json; returns the manifest.

    A second call with the same arguments finds its result and does nothing ("already_there" in what is returned).

    Args:
        out: a folder; None: docpages/ in the cache folder.
        frozen_list: a JSON of packages and pages; used unless `pdfs` is given.
        pdfs: a folder of PDFs to take instead, searched in depth.
        debs: a folder with the list's .deb files; None: they are downloaded.
        labels: "doclaynet" (its 11 classes and Code) or "publaynet" (its 5).
        classes: only these classes, with ids in this order.
        num_pages: at most so many, those with tables, pictures and formulas first.
        long_side: of the images, in pixels.
        without: packages of the list to leave out.

    Raises:
        ValueError: an unknown class, no such folder, an `out` with files of somebody else, or nothing that pages
            could be made from.
    """
    names = label_names(labels, classes)
    if long_side < 64 or (num_pages is not None and num_pages < 1):
        raise ValueError(f"sizes start at 64 pixels and counts at 1, got {long_side} pixels and {num_pages} pages")
    out = Path(out) if out is not None else cache_folder() / "docpages"
    require_own_folder(out, ("manifest.json", *(f"{split}.json" for split in SPLITS), "images"))
    request = {
        "labels": labels, "classes": list(names), "num_pages": num_pages, "long_side": long_side, "seed": seed,
        "pdfs": _listing(pdfs), "frozen_list": _digest(frozen_list) if pdfs is None else None,
        "without": sorted(without), "code": code_digest(),
    }  # fmt: skip
    earlier = _earlier(out, request)
    lacking = missing_packages(earlier["problems"]) if earlier is not None else set()
    if earlier is not None and not lacking:
        return {**earlier, "folder": str(out), "already_there": True}

    if pdfs is not None:
        sources, problems = folder_sources(pdfs, seed)
    else:
        sources, problems = frozen_sources(frozen_list, debs, cache_folder() / "packages", without)
    if earlier is not None and not missing_packages(problems) < lacking:  # still
        return {**earlier, "folder": str(out), "already_there": True}
    labelled, unreadable = label_sources(sources, out / "parts", request["code"], workers)
    problems += unreadable
    entries = [
        PageEntry(source, number, page, long_side)
        for source, pages in labelled
        for number, page in sorted(pages.items())
        if source.pages is not None or page.unfit is None
    ]
    entries = choose_pages(entries, labels, names, num_pages, seed)
    if not entries:
        raise ValueError("no page could be made: " + ("; ".join(problems) or "no PDF has a fitting page"))
    (out / "manifest.json").unlink(missing_ok=True)  # what it tells of is about to be replaced
    render_entries(entries, out / "images", workers)
    counts = {}
    for split in SPLITS:
        tree = coco_json([entry for entry in entries if entry.source.split == split], labels, names)
        _write_json(out / f"{split}.json", tree)
        counts[split] = _count(tree)
    manifest = {
        "request": request, "counts": counts, "problems": problems,
        "pages": [entry.provenance() for entry in entries],
    }  # fmt: skip
    _write_json(out / "manifest.json", manifest)
    return {**manifest, "folder": str(out), "already_there": False}


def code_digest() -> str:
    """Changes when the code that makes boxes does: then nothing made earlier is reused."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for file in sorted([*here.glob("pdf/*.py"), *here.glob("docpages*.py"), here / "classes.py"]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _earlier(out: Path, request: dict) -> dict | None:
    """The manifest of an earlier, complete run with the same request."""
    try:
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        complete = manifest["request"] == request and all((out / f"{split}.json").is_file() for split in SPLITS)
        images = {path.name for path in (out / "images").iterdir()}
        return manifest if complete and images.issuperset(page["file_name"] for page in manifest["pages"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _count(tree: dict) -> dict:
    names = {category["id"]: category["name"] for category in tree["categories"]}
    boxes = dict.fromkeys(names.values(), 0)
    for annotation in tree["annotations"]:
        boxes[names[annotation["category_id"]]] += 1
    documents = {image["pdf"] for image in tree["images"]}
    return {"documents": len(documents), "pages": len(tree["images"]), "boxes": boxes}


def _listing(folder) -> list | None:
    """What stands for a folder of PDFs in a request: names, sizes and times of change."""
    if folder is None:
        return None
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() == ".pdf")
    return [str(Path(folder).resolve()), *([p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in files)]


def _digest(path) -> str | None:
    if path is None or not Path(path).is_file():
        raise ValueError(f"no frozen list {path}: name one, or give a folder of PDFs")
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def _write_json(path: Path, tree: dict) -> None:
    with atomic_file(path) as file:
        json.dump(tree, file, separators=(",", ":"))
        file.write("\n")
