"""Data sets by name: a COCO JSON file and a folder of images, registered in Detectron2's catalogs."""

import json
import os
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json

from dense_det.data.cache import cache_folder

# name -> (JSON file, folder of images) below $DETECTRON2_DATASETS, as the official archives unpack.
# COCO 2017 is not here: Detectron2 registers coco_2017_train and coco_2017_val itself.
BUILTIN = {
    **{f"publaynet_{s}": (f"publaynet/{s}.json", f"publaynet/{s}") for s in ("train", "val")},
    **{f"doclaynet_{s}": (f"DocLayNet_core/COCO/{s}.json", "DocLayNet_core/PNG") for s in ("train", "val", "test")},
}
PREPARED = ("docpages", "idcards")  # by datasets/prepare_*.py, each with these splits:
_INFO_CHARACTERS = 1 << 20
PREPARED_SPLITS = ("train", "val")


def register_coco(name: str, json_file, image_root) -> None:
    """Register `name` for DATASETS.TRAIN and DATASETS.TEST; a second time with the same paths is fine.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: `name` stands for other paths already.
    """
    json_file, image_root = Path(json_file), Path(image_root)
    if not json_file.is_file():
        raise FileNotFoundError(f"data set {name}: no file {json_file}: give the path of a COCO JSON file")
    if not image_root.is_dir():
        raise FileNotFoundError(
            f"data set {name}: no folder {image_root}: give the one where the images named in {json_file} are"
        )
    _register(name, json_file, image_root)


def register_builtin(root=None) -> None:
    """Register PubLayNet and DocLayNet under `root` ($DETECTRON2_DATASETS, or datasets/), and what is in the cache.

    The files need not exist yet: Detectron2 looks for them when the data set is used, as for its own names.
    """
    root = Path(root or os.environ.get("DETECTRON2_DATASETS") or "datasets").expanduser()
    for name, (json_file, image_root) in BUILTIN.items():
        _register(name, root / json_file, root / image_root)
    for prepared in PREPARED:
        folder = cache_folder() / prepared
        for split in PREPARED_SPLITS:
            _register(f"{prepared}_{split}", folder / f"{split}.json", folder / "images")


def class_names(json_file) -> list[str]:
    """Names of a COCO JSON's categories, by rising category id: the order of the contiguous ids in training.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a COCO JSON file, or a category without an id and a name.
    """
    json_file = Path(json_file)
    if not json_file.is_file():
        raise FileNotFoundError(f"no file {json_file}: give the path of a COCO JSON file")
    try:
        categories = json.loads(json_file.read_text(encoding="utf-8"))["categories"]
        by_id = {category["id"]: category["name"] for category in categories}
        if not by_id or any(type(key) is not int or not isinstance(name, str) for key, name in by_id.items()):
            raise TypeError("ids must be whole numbers and names must be strings, one at least")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f'{json_file}: expected a COCO JSON with "categories": [{{"id": 1, "name": "..."}}, ...]; '
            f"{type(error).__name__}: {error}"
        ) from error
    if len(by_id) < len(categories):
        raise ValueError(f"{json_file}: a category id is used twice")
    return [by_id[key] for key in sorted(by_id)]


def _register(name: str, json_file: Path, image_root: Path) -> None:
    # absolute, so that one place has one spelling
    new = {"json_file": str(json_file.absolute()), "image_root": str(image_root.absolute())}
    if name in DatasetCatalog.list():
        metadata = MetadataCatalog.get(name)
        old = {key: str(Path(metadata.get(key) or ".").absolute()) for key in new}
        if old != new:
            raise ValueError(
                f"data set {name} is registered already, with {old['json_file']} and {old['image_root']}; "
                f"choose another name for {new['json_file']} and {new['image_root']}"
            )
        return
    DatasetCatalog.register(name, lambda: _load(name, **new))
    MetadataCatalog.get(name).set(evaluator_type="coco", **new)


def _load(name: str, json_file: str, image_root: str) -> list[dict]:
    """Detectron2's records; those of a file that says that its labels are pseudo-labels have "pseudo": True, but for
    images that a person has reviewed, and their annotations "score".
    """
    pseudo = is_pseudo(json_file)
    records = load_coco_json(json_file, image_root, name, extra_annotation_keys=["score"] if pseudo else None)
    if pseudo:
        reviewed = _reviewed(Path(json_file))
        for record in records:
            record["pseudo"] = record["image_id"] not in reviewed
    return records


def _reviewed(json_file: Path) -> set[int]:
    """Ids of the images that `import-review` marked as labelled by a person."""
    text = json_file.read_text(encoding="utf-8")
    if '"reviewed"' not in text:  # most files: no need to parse millions of annotations
        return set()
    return {image["id"] for image in json.loads(text)["images"] if image.get("reviewed")}


def is_pseudo(json_file) -> bool:
    """Whether a COCO file was written by tools/pseudo_label.py: its "info", at the very beginning, says so.

    Only the beginning is read: the file may have millions of annotations.
    """
    with open(json_file, encoding="utf-8") as file:
        start = file.read(_INFO_CHARACTERS)
    before, key, after = start.partition('"info":')
    if not key or before.strip() != "{":
        return False
    try:
        info, _ = json.JSONDecoder().raw_decode(after.lstrip())
    except ValueError:  # an "info" that is longer than ours
        return False
    return isinstance(info, dict) and "pseudo_labels" in info
