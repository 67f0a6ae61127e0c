"""Pictures of what models cost: accuracy against cost, parts under the roof of the machine, bars by stage."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dense_det.analysis.cost_rows import STAGES
from dense_det.analysis.machine import Limits
from dense_det.analysis.network import PARTS
from dense_det.analysis.part_latency import COUNTED, TITLES
from dense_det.analysis.plots import line_color
from dense_det.analysis.point_labels import label_points
from dense_det.atomic_file import atomic_file

_MARKERS = dict(zip(COUNTED, "osD^", strict=True))
_COLORS = {part: line_color(index) for index, part in enumerate(PARTS)} | {
    "decode": (0.45,) * 3, "resize": (0.62,) * 3, "prepare": (0.77,) * 3, "post": (0.25,) * 3,
}  # fmt: skip
# from light to the colour of the bottom-up
_STAGE_COLORS = {stage: tuple(1 - (1 - np.array(_COLORS["bottom_up"])) * share)
                 for stage, share in zip(STAGES, (0.25, 0.4, 0.58, 0.78, 1.0))}  # fmt: skip


def draw_figures(folder: Path, rows: list[dict]) -> list[Path]:
    """Draw what the rows (cost_rows.cost_row, part_latency.latency_row, "ap") allow, as PNG files of `folder`.

    - accuracy.png: AP against GMACs and, where it was measured, against latency; the line joins what nothing beats;
    - roofline.png: speed of each part against its operations a byte, under what the machine can do;
    - stages.png: multiply-adds of stages and, where they were measured, times of parts.

    Returns:
        the files.
    """
    timed = all("parts" in row for row in rows)
    figures = {"stages": _stages(rows, timed)}
    if timed:
        figures["roofline"] = _roofline(rows)
    if any("ap" in row for row in rows):
        figures["accuracy"] = _accuracy([row for row in rows if "ap" in row], timed)
    files = []
    for name, figure in sorted(figures.items()):
        files.append(Path(folder) / f"{name}.png")
        with atomic_file(files[-1], "wb") as file:
            figure.savefig(file, format="png", dpi=120, bbox_inches="tight")  # a legend may be wider than its panel
    return files


def _accuracy(rows: list[dict], timed: bool) -> Figure:
    keys = {"gmacs": "GMACs"} | ({"latency_ms": "latency, ms a batch, decode and resize included"} if timed else {})
    figure = _figure(6.4 * len(keys), 4.6)
    panels = figure.subplots(1, len(keys), squeeze=False, sharey=True)[0]
    for axes, (key, title) in zip(panels, keys.items(), strict=True):
        points = [(row[key], row["ap"]) for row in rows]
        axes.plot(*zip(*frontier(points), strict=True), color="0.75", linewidth=1.2, zorder=1)
        for index, point in enumerate(points):
            axes.plot(*point, "o", color=line_color(index), markersize=8, markeredgecolor="white", zorder=3)
        axes.set(xscale="log", xlabel=title, title="")
        axes.margins(0.16)
        _tidy(axes)
    panels[0].set_ylabel("AP")
    panels[0].set_title("Accuracy against cost", loc="left")
    figure.draw_without_rendering()
    for axes, key in zip(panels, keys, strict=True):
        colors = [line_color(index) for index in range(len(rows))]
        names = [row["name"] for row in rows]
        label_points(axes, [(row[key], row["ap"]) for row in rows], names, colors, fontsize=9)
    return figure


def frontier(points) -> list[tuple[float, float]]:
    """Of (cost, AP) those that no other beats in both, by rising cost."""
    best: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or point[1] > best[-1][1]:
            best.append(point)
    return best


def _roofline(rows: list[dict]) -> Figure:
    figure = _figure(8.2, 5.2)
    axes = figure.add_subplot()
    limits = Limits(rows[0]["peak_gflops"], rows[0]["peak_gbytes"])
    points = [
        (values["flop_per_byte"], values["gflops"], index, part)
        for index, row in enumerate(rows)
        for part, values in row["parts"].items()
        if "gflops" in values
    ]
    ridge = limits.gflops / limits.gbytes
    left = min([ridge / 4, *(point[0] / 2 for point in points)])
    right = max([ridge * 8, *(point[0] * 2 for point in points)])
    x = np.geomspace(left, right, 200)
    axes.plot(x, [limits.roof(each) for each in x], color="0.25", linewidth=2, zorder=2)
    axes.fill_between(x, [limits.roof(each) for each in x], limits.gflops * 3, color="0.95", zorder=0)
    for intensity, gflops, index, part in points:
        axes.plot(
            intensity, gflops, _MARKERS[part], color=line_color(index), markersize=9, markeredgecolor="white", zorder=3
        )
    bottom = min([limits.roof(left), *(point[1] for point in points)]) / 2
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, limits.gflops * 1.9))
    axes.set(xlabel="FLOP a byte that eager torch moves", ylabel="GFLOP/s")
    axes.set_title("Each part under the roof of the machine", loc="left")
    axes.annotate(f"peak {limits.gflops:,.0f} GFLOP/s", (right, limits.gflops), (-6, 5), textcoords="offset points",
                  ha="right", color="0.25")  # fmt: skip
    _tidy(axes)
    _log_ticks(axes.yaxis)
    figure.draw_without_rendering()
    # along the slope, in the angle that it has on the screen
    ends = axes.transData.transform([(left, limits.roof(left)), (ridge, limits.gflops)])
    angle = float(np.degrees(np.arctan2(*(ends[1] - ends[0])[::-1])))
    middle = (left * ridge) ** 0.5
    axes.annotate(f"{limits.gbytes:.1f} GB/s", (middle, limits.roof(middle)), (-4, 4), textcoords="offset points",
                  rotation=angle, rotation_mode="anchor", ha="center", va="bottom", color="0.25")  # fmt: skip
    shown = [part for part in COUNTED if any(point[3] == part for point in points)]
    handles = [
        Line2D([], [], color=line_color(i), marker="o", linestyle="", label=row["name"]) for i, row in enumerate(rows)
    ]
    handles += [Line2D([], [], color="0.4", marker=_MARKERS[part], linestyle="", label=PARTS[part]) for part in shown]
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    return figure


def _stages(rows: list[dict], timed: bool) -> Figure:
    figure = _figure(12.4 if timed else 7.4, 1.9 + 0.5 * len(rows))
    panels = figure.subplots(1, 2 if timed else 1, squeeze=False, sharey=True)[0]
    names = [row["name"] for row in rows]
    stages = [*STAGES, *(part for part in PARTS if part != "bottom_up")]
    macs = {stage: [row["stages"].get(stage, 0.0) for row in rows] for stage in stages}
    colors = _COLORS | _STAGE_COLORS
    titles = TITLES | {stage: stage for stage in STAGES}
    ends = [f"{row['gmacs']:.2f} GMACs" for row in rows]
    _bars(panels[0], names, macs, colors, titles, ends, "Multiply-adds by stage, %")
    if timed:
        times = {part: [row["parts"].get(part, {"ms": 0.0})["ms"] for row in rows] for part in TITLES}
        ends = [f"{row['latency_ms']:,.0f} ms" for row in rows]
        _bars(panels[1], names, times, colors, titles, ends, "Time by part, %")
    return figure


def _bars(axes, names, series, colors, titles, ends, title: str) -> None:
    """A stacked bar of 100 % for each name, what it is in all at its end, and the share in what has room for it."""
    totals = np.sum(list(series.values()), axis=0)
    left = np.zeros(len(names))
    for key, values in series.items():
        shares = 100 * np.array(values) / totals
        if not shares.any():
            continue
        color = colors[key]
        bars = {"color": color, "edgecolor": "white", "linewidth": 0.8, "label": titles[key]}
        axes.barh(range(len(names)), shares, 0.68, left, **bars)
        dark = np.dot(color, (0.299, 0.587, 0.114)) < 0.6
        for row, share in enumerate(shares):
            if share >= 5:
                axes.text(left[row] + share / 2, row, f"{share:.0f}", ha="center", va="center", fontsize=8.5,
                          color="white" if dark else "0.15")  # fmt: skip
        left += shares
    for row, end in enumerate(ends):
        axes.text(101.5, row, end, va="center", fontsize=9)
    axes.set(xlim=(0, 124), xticks=range(0, 101, 20))
    axes.set_ylim(len(names) - 0.45, -0.55)  # the first on top
    axes.set_title(title, loc="left")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_bounds(0, 100)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(range(len(names)), names)
    axes.legend(
        frameon=False, fontsize=8.5, ncols=5, loc="upper center", bbox_to_anchor=(0.45, -0.3 / (0.4 + 0.3 * len(names)))
    )


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _tidy(axes) -> None:
    axes.grid(color="0.92", which="major")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _log_ticks(axes.xaxis)


def _log_ticks(axis) -> None:
    """1, 2, 5, 10, ... in plain digits."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())
