"""fix_dataset: a copy of a COCO JSON in which every error is repaired or dropped; the original is never touched."""

import json
import math
import os
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.data.check import Settings, inspect_dataset
from dense_det.data.check_json import existing
from dense_det.data.check_kinds import KINDS
from dense_det.data.check_report import Report


def fix_dataset(json_file, image_root, out, **settings) -> tuple[Report, list[str]]:
    """Check as `check_dataset` does, and write the mended JSON to `out`, which passes the same check without errors.

    Returns:
        the report on the original, and a line for each kind that was mended, then one on what is left.

    Raises:
        FileNotFoundError, ValueError: as `check_dataset`.
        ValueError: `out` is the original or another split's JSON, also by a link; or is a folder.
        NothingLeft: the file holds no data set, or nothing of it can be kept; `out` is not written.
    """
    settings = Settings(**settings)
    for original in (json_file, *(name for name, _ in settings.others)):
        if os.path.exists(out) and os.path.samefile(existing(original, "file"), out):
            raise ValueError(f"{out} is the original {original}; name another file to write the mended copy to")
    if Path(out).is_dir():
        raise ValueError(f"{out} is a folder; name a file to write the mended copy to")
    report, mended = inspect_dataset(json_file, image_root, settings)
    if mended is None or not all(mended[name] for name in ("images", "categories")):
        raise NothingLeft(report, f"nothing of {json_file} can be kept, so {out} was not written")
    if all(annotation["iscrowd"] for annotation in mended["annotations"]):
        raise NothingLeft(report, f"no object of {json_file} can be kept, so {out} was not written")
    with atomic_file(out) as file:
        json.dump(_without_constants(mended), file, allow_nan=False)

    fixed = (kind for kind in KINDS if report.totals[kind] and KINDS[kind].fix)
    lines = [f"mended {kind} ({report.totals[kind]:,}): {KINDS[kind].fix}" for kind in fixed]
    kept_images, kept_objects = len(mended["images"]), len(mended["annotations"])
    lines.append(
        f"wrote {out}: {kept_images:,} of {report.num_images:,} images, "
        f"{kept_objects:,} of {report.num_annotations:,} objects"
    )
    return report, lines


class NothingLeft(ValueError):
    """There is nothing to write; `report` says why."""

    def __init__(self, report: Report, message: str):
        super().__init__(message)
        self.report = report


def _without_constants(value):
    """`value` with null for NaN and infinity, which are not JSON. Depth is bounded by the check."""
    if type(value) is dict:
        return {k: _without_constants(v) for k, v in value.items()}
    if type(value) is list:
        return [_without_constants(v) for v in value]
    return None if type(value) is float and not math.isfinite(value) else value
