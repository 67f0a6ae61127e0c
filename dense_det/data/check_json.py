"""A COCO JSON file as Python objects, with a finding for whatever makes it hard to read."""

import codecs
import json
import os
from pathlib import Path

from dense_det.data.check_report import Report, Text
from dense_det.suggest import unknown


def existing(path, kind: str) -> Path:
    """`path` as a Path, if it is there; `kind` is "file" or "folder".

    Raises:
        FileNotFoundError: it is not, with the nearest names that are.
        ValueError: it is there, but is the other kind.
    """
    path = Path(path)
    if not path.exists():
        whole = path.absolute()
        parent = next(p for p in whole.parents if p.is_dir())
        kind = kind if parent == whole.parent else "folder"
        name = whole.relative_to(parent).parts[0]
        raise FileNotFoundError(unknown(f"{kind} in {parent}", name, sorted(os.listdir(parent))))
    if path.is_dir() != (kind == "folder"):
        raise ValueError(f"{path} is {'a folder' if path.is_dir() else 'a file'}; a {kind} was expected")
    return path


def read_json(json_file: Path, report: Report) -> dict | None:
    """The top-level object of `json_file`, None if there is none; findings go to `report`.

    NaN and Infinity tokens are read as such. Raises OSError if the file cannot be read.
    """
    text = _decode(json_file.read_bytes(), report)
    if text is None:
        return None
    constants = []

    def constant(token):
        constants.append(token)
        return float(token)

    try:
        data = json.loads(text, parse_constant=constant)
    except RecursionError:
        report.add("json-syntax", Text("lists or objects nested too deep to be read"))
        return None
    except ValueError as error:  # JSONDecodeError, or an integer of thousands of digits
        report.add("json-syntax", Text(str(error)))
        return None
    if constants:
        report.add("json-constant", Text(f"{len(constants)} times, first {constants[0]}"))
    if type(data) is not dict:
        report.add("not-an-object", data)
        return None
    return data


def _decode(content: bytes, report: Report) -> str | None:
    """The text; Detectron2 opens the file as UTF-8 without byte order mark, so any other way is a finding."""
    if content.startswith(codecs.BOM_UTF8):
        report.add("json-encoding", Text("UTF-8 with byte order mark"))
        content = content[len(codecs.BOM_UTF8) :]
    encoding = json.detect_encoding(content)
    if not encoding.startswith("utf-8"):
        report.add("json-encoding", Text(encoding.upper()))
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        report.add("json-encoding", Text(f"byte {error.start} is not {error.encoding.upper()}: {error.reason}"))
        return None
