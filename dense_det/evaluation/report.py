"""Everything that an evaluation leaves in its folder."""

from pathlib import Path

import numpy as np

from dense_det.evaluation.coco_ap import STAT_NAMES, CocoStats
from dense_det.evaluation.confusion import confusion_matrix, plot_confusion, write_confusion_csv
from dense_det.evaluation.curves import class_curves
from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import match
from dense_det.evaluation.operating_points import OperatingPoints
from dense_det.evaluation.pr_figure import plot_pr_curves
from dense_det.evaluation.tables import (
    add_mask_columns,
    markdown_table,
    per_class_rows,
    write_metrics,
    write_per_class,
    write_thresholds,
)
from dense_det.evaluation.worst import count_errors, write_examples, write_worst


def write_report(
    output_dir,
    image_root,
    truth: GroundTruth,
    detections: Detections,
    stats: dict[str, CocoStats],
    operating: OperatingPoints,
    quads: dict[str, float],
    worst_images: int,
) -> str:
    """Write metrics.json/csv, per_class.csv/md, thresholds.json, pr_curves.png, confusion_matrix.png/csv,
    worst/, worst.png and examples.png; returns the table of classes as text.

    Args:
        stats: of these detections on `truth.coco()` by task: "bbox" and, with masks, "segm".
        operating: `best_points` of them.
        quads: `quad_metrics` of them, or {}.
        worst_images: how many images to draw at most.
    """
    output_dir = Path(output_dir)
    names, counts, points = truth.class_names, truth.counts(), operating.points
    curves75 = class_curves(truth, detections, match(truth, detections, min_iou=0.75))
    good, good_matches = detections.select(operating.kept), operating.matches[operating.kept]
    detected = np.bincount(good.classes, minlength=len(names))

    boxes = stats["bbox"]
    rows = per_class_rows(names, boxes.class_ap(), boxes.class_ap(0.5), boxes.class_ap(0.75), counts, detected, points)
    if "segm" in stats:
        masks = stats["segm"]
        add_mask_columns(rows, masks.class_ap(), masks.class_ap(0.5), masks.class_ap(0.75))
    write_per_class(output_dir / "per_class.csv", output_dir / "per_class.md", rows)
    write_thresholds(output_dir / "thresholds.json", names, points)
    metrics = {
        "images": len(truth.images),
        "ground_truth": int(counts.sum()),
        "detections": len(detections.scores),
        **{f"{task}/{name}": of_task.percent(name) for task, of_task in stats.items() for name in STAT_NAMES},
        **{f"quad/{name}": value for name, value in quads.items()},
        **_at_thresholds(truth, good, good_matches),
        **{f"bbox/{key}-{row['class']}": row[key] for row in rows for key in ("AP", "precision", "recall", "F1")},
    }
    if "segm" in stats:
        metrics |= {f"segm/AP-{row['class']}": row["segm_AP"] for row in rows}
    write_metrics(output_dir / "metrics.json", output_dir / "metrics.csv", metrics)

    plot_pr_curves(output_dir / "pr_curves.png", names, operating.curves, curves75, counts)
    matrix = confusion_matrix(truth, good)
    write_confusion_csv(output_dir / "confusion_matrix.csv", matrix, names)
    plot_confusion(output_dir / "confusion_matrix.png", matrix, names, "Confusion at IoU 0.5, best thresholds")
    write_worst(output_dir, image_root, truth, good, good_matches, worst_images)
    write_examples(output_dir / "examples.png", image_root, truth, good)
    return markdown_table(rows)


def _at_thresholds(truth, detections, matches) -> dict:
    """Precision, recall and F1 in percent over all classes together, at their best thresholds."""
    hits, false, missed = (int(count.sum()) for count in count_errors(truth, detections, matches))
    shares = {
        "precision": (hits, hits + false),
        "recall": (hits, hits + missed),
        "F1": (2 * hits, 2 * hits + false + missed),
    }
    return {f"bbox/{name}": 100 * part / whole if whole else None for name, (part, whole) in shares.items()}
