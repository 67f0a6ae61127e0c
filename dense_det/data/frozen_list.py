"""The frozen list: which pages of which packages make the document pages, the same everywhere."""

import json
from dataclasses import dataclass
from pathlib import Path

from dense_det.atomic_file import atomic_file

SPLITS = ("train", "val")


@dataclass(frozen=True, slots=True)
class FrozenPdf:
    """`pages` are counted from 1."""

    package: str
    version: str
    split: str
    name: str
    sha256: str
    pages: tuple[int, ...]


def read_frozen_list(path) -> list[FrozenPdf]:
    """The PDFs of a frozen list.

    Raises:
        ValueError: not such a file.
    """
    try:
        tree = json.loads(Path(path).read_text(encoding="utf-8"))
        return [
            FrozenPdf(
                package["package"],
                package["version"],
                package["split"],
                pdf["name"],
                pdf["sha256"],
                tuple(pdf["pages"]),
            )
            for package in tree["packages"]
            for pdf in package["pdfs"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a frozen list of document pages: {type(error).__name__}: {error}") from error


def write_frozen_list(path, pdfs: list[FrozenPdf]) -> None:
    """Write `pdfs` sorted by package and name, one PDF a line."""
    lines = []
    for name in sorted({pdf.package for pdf in pdfs}):
        members = sorted((pdf for pdf in pdfs if pdf.package == name), key=lambda pdf: pdf.name)
        rows = [json.dumps({"name": pdf.name, "sha256": pdf.sha256, "pages": list(pdf.pages)}) for pdf in members]
        first = members[0]
        head = json.dumps({"package": name, "version": first.version, "split": first.split})[:-1]
        lines.append(f'  {head}, "pdfs": [\n    ' + ",\n    ".join(rows) + "\n  ]}")
    with atomic_file(path) as file:
        file.write('{"packages": [\n' + ",\n".join(lines) + "\n]}\n")
