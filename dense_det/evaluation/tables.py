"""The numbers of an evaluation as files for people and programs."""

import csv
import json
import math

from dense_det.aligned_table import aligned_table
from dense_det.atomic_file import atomic_file

PER_CLASS_COLUMNS = (
    "class", "AP", "AP50", "AP75", "ground_truth", "detections", "threshold", "precision", "recall", "F1",
)  # fmt: skip
MASK_COLUMNS = ("segm_AP", "segm_AP50", "segm_AP75")


def per_class_rows(class_names, class_ap, class_ap50, class_ap75, counts, detected, points) -> list[dict]:
    """One dict of PER_CLASS_COLUMNS a class, in percent; None where a number has no meaning.

    Args:
        class_ap, class_ap50, class_ap75: (K,) shares of 1, NaN for classes without ground truth.
        counts: (K,) boxes to find.
        detected: (K,) detections at or above the thresholds in use.
        points: K best `OperatingPoint`s, or None.
    """
    rows = []
    for k, name in enumerate(class_names):
        point = points[k]
        values = [100 * float(ap[k]) for ap in (class_ap, class_ap50, class_ap75)]
        values = [None if math.isnan(value) else value for value in values]
        values += [int(counts[k]), int(detected[k]), point.threshold if point else None]
        values += [100 * share for share in (point.precision, point.recall, point.f1)] if point else [None] * 3
        rows.append(dict(zip(PER_CLASS_COLUMNS, [name, *values], strict=True)))
    return rows


def add_mask_columns(rows, class_ap, class_ap50, class_ap75) -> None:
    """Give each row MASK_COLUMNS, too: (K,) shares of 1, NaN for classes without ground truth."""
    for row, *values in zip(rows, class_ap, class_ap50, class_ap75, strict=True):
        values = [None if math.isnan(value) else 100 * float(value) for value in values]
        row.update(zip(MASK_COLUMNS, values, strict=True))


def write_per_class(csv_path, markdown_path, rows) -> None:
    """The rows as CSV (empty where there is no number) and as a Markdown table ("-")."""
    with atomic_file(csv_path) as file:
        writer = csv.DictWriter(file, _columns(rows), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _rounded(value, 4) for key, value in row.items()} for row in rows)
    with atomic_file(markdown_path) as file:
        file.write(markdown_table(rows))


def markdown_table(rows) -> str:
    """The rows as an aligned Markdown table."""
    columns = _columns(rows)
    return aligned_table(columns, [[_cell(key, row[key]) for key in columns] for row in rows]) + "\n"


def _columns(rows) -> list[str]:
    with_masks = any(MASK_COLUMNS[0] in row for row in rows)
    return [*PER_CLASS_COLUMNS, *(MASK_COLUMNS if with_masks else ())]


def write_metrics(json_path, csv_path, metrics: dict) -> None:
    """One flat dict as JSON (null for NaN) and as CSV, a line "metric,value" each."""
    with atomic_file(json_path) as file:
        json.dump({key: None if _missing(value) else value for key, value in metrics.items()}, file, indent=1)
        file.write("\n")
    with atomic_file(csv_path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["metric", "value"])
        writer.writerows([key, _rounded(value, 6)] for key, value in metrics.items())


def write_thresholds(path, class_names, points) -> None:
    """{class: {"threshold", "precision", "recall", "f1"}} at IoU 0.5, null for a class without a true detection.

    A threshold is the score of a detection, which rounded up it would leave out: all digits.
    """
    table = {
        name: point and vars(point) | {key: round(getattr(point, key), 6) for key in ("precision", "recall", "f1")}
        for name, point in zip(class_names, points, strict=True)
    }
    with atomic_file(path) as file:
        json.dump(table, file, indent=1, ensure_ascii=False)
        file.write("\n")


def _missing(value) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _rounded(value, digits: int):
    if _missing(value):
        return ""
    return round(value, digits) if isinstance(value, float) else value


def _cell(key: str, value) -> str:
    if _missing(value):
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if key == "threshold" else f"{value:.1f}"
    return str(value)
