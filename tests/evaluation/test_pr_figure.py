import numpy as np
import pytest
from matplotlib.image import imread

from dense_det.drawing import class_color
from dense_det.evaluation.curves import make_curve
from dense_det.evaluation.pr_figure import _line, plot_pr_curves

CURVE = make_curve(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), num_truth=2)
NOTHING = make_curve(np.zeros(0), np.zeros(0, bool), num_truth=2)


def test_the_line_is_the_stairs_below_which_ap_is_the_area():
    recall, precision = _line(CURVE)
    assert recall.tolist() == [0, 0.5, 0.5, 0.5, 0.5, 1, 1]
    assert precision == pytest.approx([1, 1, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 0])
    assert np.trapezoid(precision, recall) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert [side.tolist() for side in _line(NOTHING)] == [[0], [0]]


def test_classes_without_boxes_are_not_drawn(tmp_path):
    plot_pr_curves(tmp_path / "pr.png", ["a", "b", "c"], [CURVE, None, NOTHING], [CURVE, None, NOTHING], [2, 0, 2])
    pixels = (imread(tmp_path / "pr.png")[:, :, :3] * 255).round().astype(int).reshape(-1, 3)
    drawn = [(pixels == class_color(k)).all(1).sum() for k in range(3)]
    assert drawn[0] > 500 and drawn[1] == 0 and drawn[2] > 10  # a curve; nothing; its legend


def test_many_classes_are_grey_but_for_the_twelve_largest(tmp_path):
    curves = [CURVE] * 30
    plot_pr_curves(tmp_path / "pr.png", [f"class {k}" for k in range(30)], curves, curves, list(range(1, 31)))
    pixels = (imread(tmp_path / "pr.png")[:, :, :3] * 255).round().astype(int).reshape(-1, 3)
    assert all((pixels == class_color(k)).all(1).any() for k in range(12))
    assert not (pixels == class_color(12)).all(1).any()


def test_names_with_dollars_are_no_formulas(tmp_path):
    plot_pr_curves(tmp_path / "pr.png", ["a_$x_$", r"US$ \frac$"], [CURVE] * 2, [CURVE] * 2, [2, 2])
    assert (tmp_path / "pr.png").stat().st_size
