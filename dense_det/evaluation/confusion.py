"""What is taken for what: the confusion matrix, with a row and a column for the background."""

import csv

import numpy as np
from matplotlib.figure import Figure

from dense_det.atomic_file import atomic_file
from dense_det.evaluation.detections import Detections
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.evaluation.matching import UNMATCHED, match
from dense_det.evaluation.plain_text import plain_text

BACKGROUND = "background"


def confusion_matrix(truth: GroundTruth, detections: Detections, min_iou: float = 0.5) -> np.ndarray:
    """(K + 1, K + 1) counts: row = true class, column = detected class, the last of each = background.

    Detections find boxes of any class, greedily by score; pass those above their thresholds only.
    The last row counts detections of nothing, the last column boxes that nothing found.
    """
    background = len(truth.class_names)
    matches = match(truth, detections, min_iou, same_class=False)
    matrix = np.zeros((background + 1, background + 1), dtype=np.int64)
    found = matches >= 0
    np.add.at(matrix, (truth.classes[matches[found]], detections.classes[found]), 1)
    np.add.at(matrix, (background, detections.classes[matches == UNMATCHED]), 1)
    missed = ~truth.crowd
    missed[matches[found]] = False
    np.add.at(matrix, (truth.classes[missed], background), 1)
    return matrix


def write_confusion_csv(path, matrix, class_names) -> None:
    """Counts with names: the first column is the true class, the first line the detected one."""
    names = [*class_names, BACKGROUND]
    with atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["true \\ detected", *names])
        writer.writerows([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))


def plot_confusion(path, matrix, class_names, title: str) -> None:
    """Counts in cells, coloured by the share of their row; readable from 1 to 100 classes."""
    names = [*class_names, BACKGROUND]
    cell = 0.8 if len(names) <= 15 else 0.42 if len(names) <= 35 else 0.26  # inches
    font = 10 if len(names) <= 15 else 8 if len(names) <= 35 else 6
    longest = max(len(name) for name in names) * font * 0.009
    # every text is placed by hand in inches: hundreds of them would make an automatic layout crawl
    side, left, bottom = cell * len(names), longest + 0.7, longest * (0.75 if cell > 0.3 else 1) + 0.55
    width, height = left + side + 1.5, bottom + side + 0.6
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        count = int(matrix[row, column])
        size = font if count < 10_000 or len(names) <= 15 else font * 0.75
        color = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, str(count), ha="center", va="center", fontsize=size, color=color)
    ticks, labels = range(len(names)), [plain_text(name) for name in names]
    axes.set_xticks(ticks, labels, rotation=45 if cell > 0.3 else 90, ha="right" if cell > 0.3 else "center",
                    rotation_mode="anchor" if cell > 0.3 else "default", fontsize=font)  # fmt: skip
    axes.set_yticks(ticks, labels, fontsize=font)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.6)
    axes.axhline(len(names) - 1.5, color="0.35", linewidth=1.2)
    axes.axvline(len(names) - 1.5, color="0.35", linewidth=1.2)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("detected", fontsize=font + 2)
    axes.set_ylabel("true", fontsize=font + 2)
    figure.text(0.02 * min(1, 8 / width), 1 - 0.3 / height, title, fontsize=font + 3, va="center")
    bar = figure.add_axes(((left + side + 0.25) / width, bottom / height, 0.16 / width, min(side, 4) / height))
    figure.colorbar(picture, cax=bar).set_label("share of the true class", fontsize=font + 1)
    bar.tick_params(labelsize=font)
    with atomic_file(path, "wb") as file:
        figure.savefig(file, format="png", dpi=110)
