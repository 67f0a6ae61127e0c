"""A training run as a picture and a table, from Detectron2's metrics.json."""

import csv
import json
import logging
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dense_det.atomic_file import atomic_file
from dense_det.drawing import class_color

logger = logging.getLogger(__name__)

AP_NAMES = ("AP", "AP50", "AP75")


def read_metrics(metrics_json) -> list[dict]:
    """One dict for each logged iteration, in their order, from a file with one JSON object a line.

    Lines of the same iteration are merged; where a run was resumed, the later values win. A line that a kill
    broke off is left out.

    Raises:
        ValueError: no such file.
    """
    path = Path(metrics_json)
    if not path.is_file():
        raise ValueError(f"no metrics at {path}: Detectron2 writes metrics.json into the OUTPUT_DIR of a training")
    by_iteration: dict[int, dict] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            record = json.loads(line)
            iteration = int(record["iteration"])
        except (ValueError, TypeError, KeyError):
            if line.strip():
                logger.warning("%s, line %d is not a record of an iteration and left out", path, number)
            continue
        by_iteration.setdefault(iteration, {}).update(record)
    return [by_iteration[iteration] for iteration in sorted(by_iteration)]


def write_metrics_csv(metrics_json, csv_path) -> None:
    """A line for each iteration, a column for each value that was ever logged; empty where it was not."""
    records = read_metrics(metrics_json)
    columns = ["iteration", *sorted({key for record in records for key in record} - {"iteration"})]
    with atomic_file(csv_path) as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)


def plot_results(metrics_json, png) -> None:
    """Three panels over the iterations: losses (validation dashed), learning rate, AP."""
    records = read_metrics(metrics_json)
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    losses, rates, scores = figure.subplots(1, 3)
    _plot_losses(losses, records)
    _plot_series(rates, records, "lr", "learning rate", color=line_color(0), linewidth=1.8)
    tasks = sorted({key.split("/")[0] for record in records for key in record if key.endswith("/AP")})
    for row, task in enumerate(tasks):
        for column, name in enumerate(AP_NAMES):
            label = name if len(tasks) == 1 else f"{task} {name}"
            _plot_series(scores, records, f"{task}/{name}", label, color=line_color(3 * row + column),
                         linewidth=2.4 if name == "AP" else 1.4, marker="o", markersize=4)  # fmt: skip
    for axes, title in ((losses, "Loss"), (rates, "Learning rate"), (scores, "Average precision (%)")):
        _finish(axes, title)
    scores.set_ylim(bottom=0)
    with atomic_file(png, "wb") as file:
        figure.savefig(file, format="png", dpi=110)


def _plot_losses(axes, records) -> None:
    """total_loss and the parts that sum up to it; val_<name> dashed in the same colour."""
    names = {key for record in records for key in record if "loss" in key and not key.startswith("val_")}
    names |= {key[4:] for record in records for key in record if key.startswith("val_") and "loss" in key}
    for index, name in enumerate(sorted(names, key=lambda name: (name != "total_loss", name))):
        width = 2 if name == "total_loss" else 1.3
        _plot_series(axes, records, name, name, color=line_color(index), linewidth=width)
        _plot_series(axes, records, f"val_{name}", f"val_{name}", color=line_color(index), linewidth=width,
                     linestyle="--", marker="o", markersize=3.5)  # fmt: skip
    values = [record["total_loss"] for record in records if isinstance(record.get("total_loss"), float)]
    # the first losses of a run are far above the rest: they would press the curve onto the floor
    if values and min(values) > 0 and max(values) > 8 * min(values):
        axes.set_yscale("log")


def _plot_series(axes, records, key: str, label: str, **style) -> None:
    points = [(record["iteration"], record[key]) for record in records if isinstance(record.get(key), (int, float))]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, **style)


def _finish(axes, title: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    if not axes.lines:
        axes.text(0.5, 0.5, "not logged", ha="center", va="center", color="0.5", transform=axes.transAxes)
    elif len(axes.lines) > 1:
        axes.legend(frameon=False, fontsize=9)


def line_color(index: int) -> tuple[float, ...]:
    """matplotlib's RGB of `class_color`."""
    return tuple(channel / 255 for channel in class_color(index))
