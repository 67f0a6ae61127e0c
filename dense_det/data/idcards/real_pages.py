"""Pictures of real document pages: those that prepare_docpages.py made, with its own split."""

import json
from pathlib import Path

from dense_det.data.cache import cache_folder


def find_pages(folder=None) -> dict[str, list[tuple[str, str]]]:
    """(name, path) of the page images of "train" and "val"; none when they have not been prepared.

    Args:
        folder: with train.json, val.json and images/; None: docpages/ in the cache folder.

    Raises:
        ValueError: a folder was named, and has no such pages.
    """
    root = Path(folder) if folder is not None else cache_folder() / "docpages"
    pages: dict[str, list[tuple[str, str]]] = {"train": [], "val": []}
    for split in pages:
        try:
            names = [image["file_name"] for image in json.loads((root / f"{split}.json").read_text())["images"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            if folder is None:
                return {"train": [], "val": []}
            raise ValueError(f"{root} holds no document pages (prepare_docpages.py makes them): {error}") from error
        pages[split] = [(f"docpages/{name}", str(root / "images" / name)) for name in names]
    return pages
