"""Pictures of real document pages: those that prepare_docpages.py made, with its own split."""

import json
from pathlib import Path


def find_pages(folder=None) -> dict[str, list[tuple[str, str]]]:
    """(name, path) of the page images of "train" and "val"; none where no folder is named.

    Nothing is taken that was not asked for: what else lies on a machine must not change the pictures of a seed.

    Args:
        folder: with train.json, val.json and images/.

    Raises:
        ValueError: the folder has no such pages.
    """
    pages: dict[str, list[tuple[str, str]]] = {"train": [], "val": []}
    if folder is None:
        return pages
    root = Path(folder)
    for split in pages:
        try:
            names = [image["file_name"] for image in json.loads((root / f"{split}.json").read_text())["images"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{root} holds no document pages (prepare_docpages.py makes them): {error}") from error
        pages[split] = [(f"docpages/{name}", str(root / "images" / name)) for name in names]
    return pages
