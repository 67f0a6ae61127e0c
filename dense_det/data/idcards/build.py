"""The set of ID-card scenes: pictures and COCO files with masks and corners."""

import hashlib
import json
import logging
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.data.cache import cache_folder
from dense_det.data.idcards.design import CLASSES
from dense_det.data.idcards.photos import SUFFIXES, Photo, PhotoShelf, find_photos
from dense_det.data.idcards.scene import SPLITS, make_scene
from dense_det.data.mapper import read_image
from dense_det.data.packages import fetch_packages, unpack_files

logger = logging.getLogger(__name__)

MAX_PAGES = 400  # real pages kept in memory, of each split


@dataclass(frozen=True)
class Recipe:
    """What a picture is made from, beside its split and number."""

    seed: int
    long_side: int
    photos: tuple[Photo, ...]
    pages: str | None  # folder of train.json, val.json and images, as docpages


def prepare_idcards(
    out=None,
    *,
    counts: dict[str, int],
    long_side: int = 640,
    seed: int = 0,
    photos=None,
    packages: dict[str, str] | None = None,
    pages=None,
    workers: int = 1,
) -> dict:
    """Write `out`/{train,val,unlabelled}.json, `out`/images/*.jpg and `out`/manifest.json; returns the manifest.

    A second call with the same arguments finds its result; one that was interrupted goes on. A picture depends on
    its split, its number and these arguments, not on the number of workers.

    Args:
        out: a folder; None: idcards/ in the cache folder.
        counts: pictures of each split, of "train", "val" and "unlabelled" (which has no annotations).
        photos: a folder of more photographs.
        packages: Debian packages with more photographs: name -> version.
        pages: a folder as prepare_docpages writes it, whose pages are laid on pictures; None draws pages.

    Raises:
        ValueError: an unknown split, a size below 128 pixels, a folder that is not there.
    """
    if set(counts) - set(SPLITS) or long_side < 128 or min(counts.values(), default=0) < 0:
        raise ValueError(f"expected counts of {', '.join(SPLITS)} and 128 pixels or more, got {counts}, {long_side}")
    for folder in (photos, pages):
        if folder is not None and not Path(folder).is_dir():
            raise ValueError(f"no folder {folder}: give one that exists, or leave it out")
    out = Path(out) if out is not None else cache_folder() / "idcards"
    found, problems = find_photos(photos)
    more, more_problems = _photos_of_packages(packages or {})
    recipe = Recipe(seed, long_side, tuple(found + more), str(pages) if pages is not None else None)
    request = {
        "counts": counts, "seed": seed, "long_side": long_side, "code": _code_digest(), "pages": _digest(recipe.pages),
        "photos": [[photo.name, photo.split, photo.path.stat().st_size] for photo in recipe.photos],
    }  # fmt: skip
    earlier = _earlier(out, request)
    if earlier is not None:
        return {**earlier, "folder": str(out), "already_there": True}
    _start(out, request)
    jobs = [(split, index) for split, number in counts.items() for index in range(number)]
    with ProcessPoolExecutor(workers) as pool:
        records = list(pool.map(_make_picture, repeat(out), repeat(recipe), jobs, chunksize=8))
    statistics = {}
    for split in counts:
        of_split = [record for (name, _), record in zip(jobs, records, strict=True) if name == split]
        statistics[split] = write_coco(out / f"{split}.json", of_split, labelled=split != "unlabelled")
    manifest = {"request": request, "statistics": statistics, "problems": problems + more_problems}
    _write_json(out / "manifest.json", manifest)
    shutil.rmtree(out / "parts")
    return {**manifest, "folder": str(out), "already_there": False}


def write_coco(path: Path, records: list[dict], labelled: bool) -> dict:
    """Write the COCO file of a split; returns its statistics.

    Args:
        labelled: False leaves the annotations out.
    """
    images, annotations = [], []
    for number, record in enumerate(records, start=1):
        images.append({"id": number, **record["image"]})
        annotations += [{**entry, "image_id": number} for entry in record["annotations"]]
    annotations = [{"id": number, **entry} for number, entry in enumerate(annotations, start=1)]
    tree = {
        "info": {"description": "invented ID documents in photographs", "split": path.stem},
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)],
        "images": images,
    }
    _write_json(path, tree | ({"annotations": annotations} if labelled else {}))
    named = {name: 0 for name in CLASSES}
    for entry in annotations:
        named[CLASSES[entry["category_id"] - 1]] += 1
    return {
        "pictures": len(images),
        "without_documents": sum(not record["annotations"] for record in records),
        "documents": named,
        "median_side": round(float(np.median([entry["area"] ** 0.5 for entry in annotations] or [0]))),
        "partly_hidden": sum(entry["visible"] < 0.95 for entry in annotations),
    }


def _make_picture(out: Path, recipe: Recipe, job: tuple[str, int]) -> dict:
    """Write a picture, unless it is there, and return its part of the COCO file."""
    cv2.setNumThreads(1)
    split, index = job
    name = f"{split}_{index:06d}"
    part = out / "parts" / f"{name}.json"
    if part.is_file():
        return json.loads(part.read_text(encoding="utf-8"))
    look = "val" if split == "val" else "train"
    pages = _pages(recipe.pages, look)
    scene = make_scene(recipe.seed, split, index, _shelf(recipe.photos, look), recipe.long_side, pages)
    quality = int(np.random.default_rng([recipe.seed, SPLITS.index(split), index, 1]).integers(45, 96))
    _, encoded = cv2.imencode(".jpg", scene.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    with atomic_file(out / "images" / f"{name}.jpg", "wb") as file:
        file.write(encoded.tobytes())
    height, width = scene.image.shape[:2]
    image = {"file_name": f"{name}.jpg", "width": width, "height": height, "background": scene.background}
    record = {"image": image, "annotations": scene.annotations()}
    _write_json(part, record)
    return record


@cache
def _shelf(photos: tuple[Photo, ...], split: str) -> PhotoShelf:
    return PhotoShelf(list(photos), split)


@cache
def _pages(folder: str | None, split: str) -> list[np.ndarray]:
    """Real pages of a split, at a width that a picture can show."""
    if folder is None:
        return []
    tree = json.loads((Path(folder) / f"{split}.json").read_text(encoding="utf-8"))
    pages = []
    for image in tree["images"][:: -(-len(tree["images"]) // MAX_PAGES)]:
        page = read_image(Path(folder) / "images" / image["file_name"], "RGB")
        scale = 764 / max(page.shape)
        pages.append(cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return pages


def _photos_of_packages(packages: dict[str, str]) -> tuple[list[Photo], list[str]]:
    if not packages:
        return [], []
    folder = cache_folder() / "packages"
    found, missing = fetch_packages(packages, folder)
    photos, problems = [], [f"{name}: {why}" for name, why in missing.items()]
    for package in found:
        place = folder / "photos" / package.name
        unpack_files(package, place, SUFFIXES)
        of_package, of_problems = find_photos(place)
        photos += [photo for photo in of_package if not photo.name.startswith("skimage/")]
        problems += of_problems
    return photos, problems


def _start(out: Path, request: dict) -> None:
    """An empty folder for pictures, or the one that an interrupted run with the same request left."""
    place = out / "parts" / "request.json"
    if not place.is_file() or json.loads(place.read_text(encoding="utf-8")) != json.loads(json.dumps(request)):
        for folder in ("parts", "images"):
            shutil.rmtree(out / folder, ignore_errors=True)
        _write_json(place, request)
    (out / "images").mkdir(parents=True, exist_ok=True)


def _earlier(out: Path, request: dict) -> dict | None:
    """The manifest of an earlier, complete run with the same request."""
    try:
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        wanted = sum(request["counts"].values())
        complete = sum(1 for _ in (out / "images").iterdir()) == wanted
        return manifest if complete and manifest["request"] == json.loads(json.dumps(request)) else None
    except (OSError, ValueError, KeyError):
        return None


def _code_digest() -> str:
    """Changes when the code that draws does: then nothing made earlier is reused."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _digest(pages: str | None) -> str | None:
    """Of the lists of real pages."""
    if pages is None:
        return None
    return hashlib.sha256(b"".join((Path(pages) / f"{s}.json").read_bytes() for s in ("train", "val"))).hexdigest()[:16]


def _write_json(path: Path, tree: dict) -> None:
    with atomic_file(path) as file:
        json.dump(tree, file, separators=(",", ":"))
        file.write("\n")
