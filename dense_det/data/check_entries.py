"""Categories and images of a COCO data set, one after the other: each problem becomes a finding, each entry is mended.

The mended entries are what `--fix` writes; a check throws them away. One code path for both, so that what is written
passes the check.
"""

import itertools
import os
from dataclasses import dataclass, field

from dense_det.data.check_images import ImageFile
from dense_det.data.check_report import Report, Text, short
from dense_det.data.check_values import id_key, is_id, is_too_deep


@dataclass(slots=True)
class Category:
    """A category that annotations can refer to; `entry` is its mended JSON."""

    entry: dict
    count: int = 0


@dataclass(slots=True)
class ImageEntry:
    """An image that annotations can refer to.

    `entry` is its mended JSON; it is written unless `dropped`. `path` is the file's, None if it has none. `size` is
    (width, height) of the file where it was read, else of the JSON, None if neither says. `raw_id` and `file_name` are
    as in the JSON, for findings. `boxes` are those seen so far, with class and crowd.
    """

    raw_id: object
    file_name: object
    entry: dict
    path: str | None = None
    size: tuple[int, int] | None = None
    dropped: bool = False
    num_objects: int = 0
    boxes: set = field(default_factory=set)


def unused_ids(used: set):
    """1, 2, 3, ... without the `used` ones, which may grow."""
    return (number for number in itertools.count(1) if number not in used)


def without_deep_fields(entry: dict, where: str, report: Report, read: tuple[str, ...] = ()) -> dict:
    """A shallow copy of `entry`; fields other than the `read` ones that nest too deep are found and left out."""
    deep = [k for k, v in entry.items() if type(v) in (list, dict) and k not in read and is_too_deep(v)]
    for key in deep:
        report.add("json-nesting", key, where)
    return {k: v for k, v in entry.items() if k not in deep}


def _ids(entries: list) -> set[int]:
    """The usable ids of `entries`, in whatever way they are written."""
    return {key for key in (id_key(entry.get("id")) for entry in entries if type(entry) is dict) if is_id(key)}


def inspect_categories(entries: list, report: Report) -> dict[object, Category]:
    """Categories by the key of their id (see `id_key`)."""
    categories, names = {}, set()
    fresh = unused_ids(_ids(entries))
    for index, raw in enumerate(entries):
        where = f"categories[{index}]"
        if type(raw) is not dict:
            report.add("category-not-object", raw, where)
            continue
        entry = without_deep_fields(raw, where, report)
        key = id_key(raw.get("id"))
        if not is_id(raw.get("id")):
            report.add("category-id", raw.get("id", Text("missing")), where)
            entry["id"] = key if is_id(key) else next(fresh)
            key = object() if key is None else key  # no annotation can refer to it
        if key in categories:
            report.add("category-id-duplicate", raw["id"], where)
            continue
        name = raw.get("name")
        if type(name) is not str or not name.strip():
            report.add("category-name", raw.get("name", Text("missing")), where)
            entry["name"] = name = f"category_{entry['id']}"
        elif name in names:
            report.add("category-name-duplicate", name, where)
        names.add(name)
        categories[key] = Category(entry)
    return categories


def inspect_file_name(file_name, root: str) -> tuple[str | None, str | None]:
    """A kind of finding or None, and the one normal path of the file; None if it is not surely below `root`."""
    if type(file_name) is not str or not file_name.strip() or "\0" in file_name or "://" in file_name:
        return "file-name", None
    root = os.path.abspath(root)
    path = os.path.normpath(os.path.join(root, file_name))
    if ".." in file_name.split("/") or os.path.commonpath([root, path]) != root:
        return "file-name-outside", None
    return None, path


def inspect_images(
    entries: list, root: str, files: dict[str, ImageFile], elsewhere: dict[bytes, str], report: Report
) -> dict[object, ImageEntry]:
    """Images by the key of their id (see `id_key`).

    Args:
        files: what the image files are, by file_name; empty if they were not read.
        elsewhere: SHA-256 of the other splits' images, and the path of each.
    """
    images, by_path, by_digest = {}, {}, {}
    fresh = unused_ids(_ids(entries))
    for index, raw in enumerate(entries):
        where = f"images[{index}]"
        if type(raw) is not dict:
            report.add("image-not-object", raw, where)
            continue
        raw_id, file_name = raw.get("id"), raw.get("file_name")
        image = ImageEntry(raw_id, file_name, without_deep_fields(raw, where, report))
        place = {"where": where, "image_id": raw_id, "file_name": file_name}

        key = id_key(raw_id)
        if not is_id(raw_id):
            report.add("image-id", raw.get("id", Text("missing")), **place)
            image.entry["id"] = key if is_id(key) else next(fresh)
            if key is None:  # no annotation can refer to it, and without its boxes it would teach background
                image.dropped, key = True, object()

        kind, image.path = inspect_file_name(file_name, root)
        if kind:
            report.add(kind, raw.get("file_name", Text("missing")), **place)
            image.dropped = True
        file = files.get(file_name) if image.path else None
        _inspect_size(image, file, report, place)
        if file and file.digest:
            _inspect_content(image, file.digest, by_digest, elsewhere, report, place)

        if key in images:
            report.add("image-id-duplicate", raw_id, **place)
            if image.path is None or image.path != images[key].path:
                images[key].dropped = True  # whose are the boxes of this id?
        elif image.path in by_path:
            report.add("file-name-duplicate", file_name, **place)
            images[key] = by_path[image.path]  # its annotations become the first one's
        else:
            images[key] = image
            if not image.dropped:
                by_path[image.path] = image
    return images


def _inspect_size(image: ImageEntry, file: ImageFile | None, report: Report, place: dict) -> None:
    size = tuple(image.entry.get(side) for side in ("width", "height"))
    stated = all(type(v) is int and 0 < v < 2**31 for v in size)
    if not stated:
        sides = [f"{side} {short(image.entry.get(side, Text('missing')))}" for side in ("width", "height")]
        report.add("image-size", Text(", ".join(sides)), **place)
    if file is None:
        image.size = size if stated else None
        image.dropped |= not stated
    elif file.problem:
        report.add(file.problem, Text(file.reason), **place)
        image.size = size if stated else None
        image.dropped = True
    else:
        image.size = (file.width, file.height)
        if stated and size != image.size:
            turned = ", turned by its EXIF orientation" if file.turned else ""
            value = f"JSON {size[0]}x{size[1]}, file {file.width}x{file.height}{turned}"
            report.add("image-size-wrong", Text(value), **place)
        image.entry["width"], image.entry["height"] = image.size


def _inspect_content(image, digest: bytes, by_digest: dict, elsewhere: dict, report: Report, place: dict) -> None:
    if by_digest.setdefault(digest, image.path) != image.path:
        report.add("image-duplicate", Text(f"same content as {by_digest[digest]!r}"), **place)
    if digest in elsewhere:
        report.add("image-in-two-splits", Text(f"same content as {elsewhere[digest]!r}"), **place)
        image.dropped = True
