"""Building the scenes: photographs, templates, fonts and faces -> images and COCO JSON files."""

import hashlib
import importlib.metadata
import json
import logging
import re
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.data.cache import cache_folder
from dense_det.data.docpages_work import require_own_folder
from dense_det.data.idcards.contact_sheet import draw_contact_sheet
from dense_det.data.idcards.fonts import find_families
from dense_det.data.idcards.photo_packages import package_photos
from dense_det.data.idcards.photos import find_photos, folder_photos
from dense_det.data.idcards.real_pages import find_pages
from dense_det.data.idcards.scene import Materials
from dense_det.data.idcards.statistics import scene_statistics
from dense_det.data.idcards.template import CLASSES, make_templates
from dense_det.data.idcards.work import PART, Part, image_name, make_parts
from dense_det.drawing import save_image

logger = logging.getLogger(__name__)

TRUTH = "unlabelled_truth"  # the file of what unlabelled.json does not tell

# all that a pixel depends on beside our own code
_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "matplotlib", "faker", "scikit-image")


def prepare_idcards(
    out=None,
    *,
    num_train: int = 2000,
    num_val: int = 300,
    num_unlabelled: int = 0,
    longer: int = 640,
    seed: int = 0,
    photo_folders=(),
    packages: bool = False,
    pages=None,
    fonts=None,
    preview: int = 0,
    workers: int = 1,
) -> dict:
    """Write `out`/{train,val}.json, `out`/images/*.jpg and `out`/manifest.json; returns the manifest.

    A second call with the same arguments finds its result and does nothing ("already_there" in what is returned);
    an interrupted one goes on. Scene number k of a split does not depend on how many there are.

    Args:
        out: a folder; None: idcards/ in the cache folder.
        num_unlabelled: pictures of train's materials for `out`/unlabelled.json, which has no annotations; these stand
            in `out`/unlabelled_truth.json.
        longer: the pictures' longer side in pixels; the other is three quarters of it.
        photo_folders: of more photographs for backgrounds.
        packages: take the photographs of some Debian packages, too; they are downloaded once.
        pages: a folder with train.json, val.json and images/ of document pages; None: drawn ones alone.
        fonts: a folder of typefaces beside matplotlib's; None: those alone, whatever the machine has.
        preview: pictures of each split on a sheet with their annotations drawn; 0 for none.

    Raises:
        ValueError: numbers without sense, something that is no folder, or an `out` with files of somebody else.
        ImportError: faker or scikit-image is missing.
    """
    numbers = {"train": num_train, "val": num_val, "unlabelled": num_unlabelled}
    if longer < 64 or min(numbers.values()) < 0 or min(num_train, num_val) < 1:
        raise ValueError(f"sizes start at 64 pixels, train and val at 1 picture: got {longer} pixels and {numbers}")
    out = Path(out) if out is not None else cache_folder() / "idcards"
    require_own_folder(out, (*(f"{name}.json" for name in ("manifest", TRUTH, *numbers)), "images"))
    files = [file for folder in photo_folders for file in folder_photos(folder)]
    packed, missing = package_photos(cache_folder() / "packages") if packages else ([], [])
    photos, problems = find_photos([*files, *packed])
    problems = missing + problems
    families = find_families(fonts)
    real = find_pages(pages)
    materials = {
        split: Materials(photos[split], make_templates(split, families[split]), real[split])
        for split in ("train", "val")
    }
    materials["unlabelled"] = materials["train"]
    request = {
        "seed": seed, "longer": longer, "code": code_digest(), "libraries": _versions(),
        "photographs": {split: [[p.name, p.digest] for p in photos[split]] for split in photos},
        "fonts": {split: [[f.name, f.digest] for f in families[split]] for split in families},
        "pages": _digest([[name, Path(path).stat().st_size] for split in real.values() for name, path in split]),
    }  # fmt: skip
    stamp = _digest(request)
    earlier = _earlier(out, stamp, numbers)
    if earlier is not None:
        made = {**earlier, "already_there": True}
    else:
        made = {**_make(out, numbers, request, stamp, materials, problems, workers), "already_there": False}
    if preview:
        for split in ("train", "val"):
            save_image(out / f"preview_{split}.jpg", draw_contact_sheet(out, split, preview))
    return {**made, "folder": str(out)}


def code_digest() -> str:
    """Changes when the code that makes scenes does: then nothing made earlier is reused."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _make(out: Path, numbers: dict, request: dict, stamp: str, materials: dict, problems: list, workers: int) -> dict:
    (out / "parts").mkdir(parents=True, exist_ok=True)  # marks the folder as ours before anything is in it
    for name in ("manifest", TRUTH, *numbers):  # their images are about to change
        (out / f"{name}.json").unlink(missing_ok=True)
    parts = [
        Part(split, start, min(start + PART, number), request["seed"], request["longer"], out, stamp)
        for split, number in numbers.items()
        for start in range(0, number, PART)
    ]
    records = make_parts(parts, materials, workers)
    counts = {}
    for split, number in numbers.items():
        tree = coco_tree([record for record in records if record["split"] == split])
        if number and split == "unlabelled":
            _write_json(out / f"{TRUTH}.json", tree)
            tree = tree | {"annotations": []}
        if number:
            _write_json(out / f"{split}.json", tree)
        if tree["annotations"]:
            counts[split] = scene_statistics(tree)
    wanted = {image_name(split, index) for split, number in numbers.items() for index in range(number)}
    ours = re.compile(rf"({'|'.join(numbers)})_\d{{6}}\.jpg")
    for path in (out / "images").iterdir():  # of an earlier, larger set
        if path.name not in wanted and ours.fullmatch(path.name):
            path.unlink()
    templates = {
        split: [t.record() for kind in CLASSES for t in materials[split].templates[kind]] for split in ("train", "val")
    }
    manifest = {
        "stamp": stamp, "numbers": numbers, "request": request, "counts": counts, "problems": problems,
        "templates": templates,
    }  # fmt: skip
    _write_json(out / "manifest.json", manifest)
    return manifest


def coco_tree(records: list[dict]) -> dict:
    """A COCO tree of scene records, ids from 1; each image tells its background, templates and faces."""
    images, annotations = [], []
    for image_id, record in enumerate(records, 1):
        size = {"width": record["width"], "height": record["height"]}
        images.append(
            {"id": image_id, "file_name": image_name(record["split"], record["index"]), **size, **record["record"]}
        )
        for annotation in record["annotations"]:
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **annotation})
    categories = [{"id": k, "name": name, "supercategory": "document"} for k, name in enumerate(CLASSES, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _earlier(out: Path, stamp: str, numbers: dict) -> dict | None:
    """The manifest of an earlier, complete run with the same stamp and numbers."""
    try:
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        images = {path.name for path in (out / "images").iterdir()}
        wanted = {image_name(split, index) for split, number in numbers.items() for index in range(number)}
        names = [split for split, number in numbers.items() if number] + [TRUTH] * bool(numbers["unlabelled"])
        files = all((out / f"{name}.json").is_file() for name in names)
        same = manifest["stamp"] == stamp and manifest["numbers"] == numbers
        return manifest if same and files and images >= wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _versions() -> dict:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None  # opencv comes under more than one name
    return found


def _digest(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _write_json(path: Path, tree: dict) -> None:
    with atomic_file(path) as file:
        json.dump(tree, file, separators=(",", ":"))
        file.write("\n")
