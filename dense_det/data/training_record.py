"""What a training leaves in its folder about itself."""

import json
from pathlib import Path

RECORD = "run.json"  # under "datasets" those of its command line, under "classes" their names


def training_record(folder) -> dict:
    """What is in a folder's run.json; {} where there is none, or another file of this name."""
    try:
        record = json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def recorded_classes(folder) -> tuple[str, ...]:
    """The names of the classes, in the network's order; () where no training has left them."""
    classes = training_record(folder).get("classes")
    known = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    return tuple(classes) if known else ()  # of a file that somebody has changed
