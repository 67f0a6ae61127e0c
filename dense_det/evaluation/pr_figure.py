"""The picture of the precision-recall curves."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dense_det.atomic_file import atomic_file
from dense_det.drawing import class_color
from dense_det.evaluation.plain_text import plain_text

MAX_COLORED = 12


def plot_pr_curves(path, class_names, curves50, curves75, counts) -> None:
    """One colour per class: IoU 0.5 with the best F1 as a dot, IoU 0.75 thin and dotted; AP is the area below.

    Of more than twelve classes the ones with the most boxes are coloured, the others grey.

    Args:
        curves50, curves75: K `Curve`s, or None for classes without boxes to find, which are left out.
        counts: (K,) boxes to find.
    """
    present = [k for k in range(len(class_names)) if curves50[k] is not None]
    colored = sorted(sorted(present, key=lambda k: -counts[k])[:MAX_COLORED])
    figure = Figure(figsize=(9.6, 6), layout="constrained")
    axes = figure.add_subplot()
    handles = []
    for k in present:
        if k not in colored:
            axes.plot(*_line(curves50[k]), color="0.8", linewidth=0.7, zorder=1)
    for rank, k in enumerate(colored):
        # a class has the colour of its boxes, while there are colours for all
        color = tuple(channel / 255 for channel in class_color(k if len(class_names) <= MAX_COLORED else rank))
        axes.plot(*_line(curves75[k]), color=color, linewidth=1.1, linestyle=(0, (1, 1.5)), zorder=2)
        (line,) = axes.plot(*_line(curves50[k]), color=color, linewidth=2, zorder=3)
        average_precision = curves50[k].average_precision()
        line.set_label(f"{plain_text(class_names[k])}  {100 * average_precision:.1f}  ({counts[k]})")
        handles.append((average_precision, line))
        if best := curves50[k].best():
            axes.plot(best.recall, best.precision, "o", color=color, markeredgecolor="white", markersize=9, zorder=4)
    handles = [line for _, line in sorted(handles, key=lambda pair: -pair[0])]
    if len(present) > len(colored):
        handles.append(Line2D([], [], color="0.8", linewidth=0.7, label=f"{len(present) - len(colored)} more classes"))
    handles += [
        Line2D([], [], color="0.3", linewidth=2, label="IoU 0.5"),
        Line2D([], [], color="0.3", linewidth=1.1, linestyle=(0, (1, 1.5)), label="IoU 0.75"),
        Line2D([], [], color="0.3", marker="o", markeredgecolor="white", markersize=9, linestyle="", label="best F1"),
    ]
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.set_title("Precision and recall, by class", loc="left")
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=handles, loc="outside right upper", frameon=False, title="AP50 (boxes)", alignment="left")
    with atomic_file(path, "wb") as file:
        figure.savefig(file, format="png", dpi=110)


def _line(curve) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision of the corners of the envelope's stairs, from recall 0 down to precision 0."""
    envelope = curve.envelope()
    recall = np.concatenate([[0.0], np.repeat(curve.recall, 2)])
    return recall, np.append(np.repeat(envelope, 2), 0.0)
