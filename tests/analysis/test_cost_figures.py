import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from dense_det.analysis.cost_figures import draw_figures, frontier
from dense_det.analysis.cost_rows import STAGES
from dense_det.analysis.network import PARTS
from dense_det.analysis.part_latency import TITLES
from dense_det.analysis.point_labels import label_points
from dense_det.drawing import class_color


def part(ms, **speed):
    return {"ms": ms, "p95_ms": ms, "percent": ms, **speed}


def row(name, gmacs, ap=None):
    """What cost_row and latency_row say, of a detector that spends a tenth in its head."""
    measured = {"gflops": 5.0, "flop_per_byte": 8.0}
    return {
        "name": name,
        "gmacs": gmacs,
        "stages": {"stem": 0.4 * gmacs, "stage2": 0.5 * gmacs, "head": 0.1 * gmacs},
        "latency_ms": 100 * gmacs,
        "peak_gflops": 20.0,
        "peak_gbytes": 5.0,
        "parts": {"decode": part(5), "bottom_up": part(85, **measured), "head": part(10, **measured)},
    } | ({} if ap is None else {"ap": ap})


def test_the_frontier_by_hand():
    points = [(3, 30), (1, 10), (2, 25), (2, 20), (4, 29), (5, 31)]
    assert frontier(points) == [(1, 10), (2, 25), (3, 30), (5, 31)]


@pytest.mark.parametrize("count", [1, 9])
def test_three_pictures(tmp_path, count):
    files = draw_figures(tmp_path / "figures", [row(f"model_{i}", 1.0 + i, 20 + i) for i in range(count)])
    assert [file.name for file in files] == ["accuracy.png", "roofline.png", "stages.png"]
    for file in files:
        pixels = imread(file)[:, :, :3]
        assert pixels.shape[0] > 200 and pixels.std() > 0.03, file


def test_only_what_was_measured_is_drawn(tmp_path):
    counted = {key: value for key, value in row("a", 1.0).items() if key in ("name", "gmacs", "stages")}
    assert [file.name for file in draw_figures(tmp_path, [counted])] == ["stages.png"]
    assert [file.name for file in draw_figures(tmp_path, [counted | {"ap": 30.0}])] == ["accuracy.png", "stages.png"]


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_nothing_is_cut_off(tmp_path, count, timed):
    rows = [row(f"model_{i}", 1.0) for i in range(count)]
    for each in rows:
        each["stages"] = dict.fromkeys([*STAGES, *PARTS], 0.1)
        each["parts"] = dict.fromkeys(TITLES, part(8)) if timed else each["parts"]
        if not timed:
            del each["parts"]
    (file,) = (file for file in draw_figures(tmp_path, rows) if file.name == "stages.png")
    pixels = imread(file)[:, :, :3]
    for border in (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]):
        assert border.min() == 1


def test_a_bar_is_as_long_as_its_share(tmp_path):
    (file,) = (file for file in draw_figures(tmp_path, [row("a", 1.0)]) if file.name == "stages.png")
    pixels = (imread(file)[:, :, :3] * 255).round().astype(int)
    head, bottom_up = ((pixels == class_color(k)).all(-1) for k in (2, 0))
    # in the right half 85 % of the time are the bottom-up's, 10 % the head's; the colour is in the legend, too
    across = slice(pixels.shape[1] // 2, None)
    lengths = [mask[:, across].sum(axis=1).max() for mask in (bottom_up, head)]
    assert lengths[0] / lengths[1] == pytest.approx(8.5, rel=0.1)


def test_names_keep_apart():
    figure = Figure(figsize=(6, 4))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlim=(0, 1), ylim=(0, 1))
    points = [(0.5, 0.5), (0.52, 0.5), (0.5, 0.53), (0.98, 0.1)]
    colors = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)]
    label_points(axes, points, ["some_detector"] * 4, colors, fontsize=9)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 4
    # in the colours of their points, darker
    assert [[channel > 0 for channel in text.get_color()] for text in axes.texts] == [
        [channel > 0 for channel in color] for color in colors
    ]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert axes.get_window_extent().containsx(box.x1)
        assert not any(box.contains(*axes.transData.transform(point)) for point in np.array(points))
