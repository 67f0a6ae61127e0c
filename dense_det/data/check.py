"""check_dataset: what Detectron2's COCO loader accepts in silence, or answers with a bare KeyError, is named."""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.data.check_annotations import AnnotationInspector
from dense_det.data.check_entries import inspect_categories, inspect_file_name, inspect_images, without_deep_fields
from dense_det.data.check_images import read_image_files
from dense_det.data.check_json import existing, read_json
from dense_det.data.check_report import Report, Text

logger = logging.getLogger(__name__)

_SECTIONS = ("categories", "images", "annotations")
_CACHE_FORMAT = 3  # raise it when a check finds something new, so that old verdicts are not believed


@dataclass(frozen=True)
class Settings:
    """What a data set is checked against, and how.

    Args:
        others: (json_file, image_root) of other splits, whose images must not be in this one (by exact content).
        min_size, max_size: the training size: shorter edge, limit of the longer (Detectron2's ResizeShortestEdge).
        max_detections: cfg.TEST.DETECTIONS_PER_IMAGE.
        workers: threads that read images.
        read_images: False leaves the image files alone: only the JSON is checked.
        decode: decode every image in full (see `check_images`).

    Raises:
        ValueError: a size, limit or number of workers below 1.
    """

    others: Sequence[tuple] = ()
    min_size: int = 800
    max_size: int = 1333
    max_detections: int = 100
    workers: int = 2
    read_images: bool = True
    decode: bool = False

    def __post_init__(self):
        for name in ("min_size", "max_size", "max_detections", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


def check_dataset(json_file, image_root, **settings) -> Report:
    """Check a COCO JSON and its images; nothing that the files hold makes this raise.

    Args:
        settings: the fields of `Settings`.

    Raises:
        FileNotFoundError: no such JSON or folder, with the nearest names.
        ValueError: a folder where a file is expected or the reverse; another split that is no COCO JSON; as `Settings`.
    """
    return inspect_dataset(json_file, image_root, Settings(**settings))[0]


def inspect_dataset(json_file, image_root, settings: Settings) -> tuple[Report, dict | None]:
    """The report as `check_dataset` gives it, and the mended data set: None if the file holds none."""
    json_file, root = existing(json_file, "file"), str(existing(image_root, "folder"))
    report = Report(str(json_file), root)
    data = read_json(json_file, report)
    if data is None:
        return report, None
    mended = without_deep_fields(data, "top level", report, _SECTIONS)
    sections = {name: _section(data, name, report) for name in _SECTIONS}

    files, elsewhere = {}, {}
    if settings.read_images:
        elsewhere = _images_elsewhere(settings)
        files = _image_files(sections["images"], root, settings.workers, settings.decode)
    categories = inspect_categories(sections["categories"], report)
    images = inspect_images(sections["images"], root, files, elsewhere, report)
    limits = settings.min_size, settings.max_size, settings.max_detections
    inspector = AnnotationInspector(images, categories, report, *limits)
    mended["annotations"] = inspector.inspect(sections["annotations"])
    mended["images"] = list({image.entry["id"]: image.entry for image in images.values() if not image.dropped}.values())
    mended["categories"] = [category.entry for category in categories.values()]

    report.num_images, report.num_annotations = len(sections["images"]), len(sections["annotations"])
    for category in categories.values():
        name = category.entry["name"]
        report.class_counts[name] = report.class_counts.get(name, 0) + category.count
    if sections["annotations"] and not any(report.class_counts.values()):
        report.add("no-annotations", Text(f"none of {len(sections['annotations'])} can be used"))
    return report, mended


def _section(data: dict, name: str, report: Report) -> list:
    section = data.get(name)
    if type(section) is list and section:
        return section
    report.add(f"no-{name}", Text("key missing") if name not in data else section)
    return []


def _image_files(entries: list, root: str, workers: int, decode: bool) -> dict:
    """What the files of the image entries are, by file_name as it is in the JSON."""
    names = (entry.get("file_name") for entry in entries if type(entry) is dict)
    paths = {name: os.path.join(root, name) for name in names if inspect_file_name(name, root)[1]}
    logger.info("reading %d image files below %s", len(paths), root)
    files = read_image_files(paths.values(), workers, decode)
    return {name: files[path] for name, path in paths.items()}


def _images_elsewhere(settings: Settings) -> dict[bytes, str]:
    """SHA-256 and path of every readable image of the other splits."""
    found = {}
    for json_file, image_root in settings.others:
        json_file, root = existing(json_file, "file"), str(existing(image_root, "folder"))
        data = read_json(json_file, Report(str(json_file), root))
        if data is None or type(data.get("images")) is not list:
            raise ValueError(f"{json_file} is no COCO JSON with images, so no image can be looked for in it")
        for name, file in _image_files(data["images"], root, settings.workers, decode=False).items():
            if file.digest:
                found.setdefault(file.digest, os.path.join(root, name))
    return found


def check_once(json_file, image_root, cache_dir, **settings) -> Report:
    """`check_dataset`, unless the same files were checked with the same settings before: then its report of then.

    "The same" is the SHA-256 of the JSONs, and name, size and time of change of every image they list.
    """
    facts = asdict(Settings(**settings))
    facts.pop("workers")
    pairs = [(json_file, image_root), *facts.pop("others")]
    hashes = [_sha256(existing(name, "file")) for name, _ in pairs]
    roots = [os.path.abspath(root) for _, root in pairs]
    key = json.dumps([_CACHE_FORMAT, hashes, roots, str(json_file), facts])
    cache = Path(cache_dir) / f"check_{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        record = json.loads(cache.read_text("utf-8"))
        if record["fingerprint"] == _fingerprint(record["paths"]):
            return Report.from_dict(record["report"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        logger.debug("no usable report of an earlier check at %s", cache)

    paths = [path for name, root in pairs for path in _listed_paths(existing(name, "file"), str(root))]
    fingerprint = _fingerprint(paths)  # before the check: what changes meanwhile is checked again
    report = check_dataset(json_file, image_root, **settings)
    with atomic_file(cache) as file:
        json.dump({"fingerprint": fingerprint, "paths": paths, "report": report.to_dict()}, file)
    return report


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed_paths(json_file: Path, root: str) -> list[str]:
    data = read_json(json_file, Report(str(json_file), root)) or {}
    entries = data.get("images")
    names = [e.get("file_name") for e in entries if type(e) is dict] if type(entries) is list else []
    return [os.path.join(root, name) for name in names if inspect_file_name(name, root)[1]]


def _fingerprint(paths: list[str]) -> str:
    """A hash over size and time of change of every file, missing ones included."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = os.stat(path)
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
        except (OSError, ValueError):  # ValueError: a name that no file system can hold
            digest.update(b"missing\n")
    return digest.hexdigest()
