import csv
import json

import pytest
from matplotlib.image import imread

from dense_det.analysis.plots import plot_results, read_metrics, write_metrics_csv
from dense_det.drawing import class_color


def write(path, records, end=""):
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + end)
    return path


RUN = [
    {"iteration": i, "total_loss": 2.0 / (i + 1), "loss_cls": 1.0 / (i + 1), "lr": 0.01, **extra}
    for i, extra in enumerate([{}, {"bbox/AP": 1.0, "bbox/AP50": 3.0, "val_total_loss": 1.5}, {}, {"bbox/AP": 2.0}])
]


def test_later_values_of_an_iteration_win_and_others_stay(tmp_path):
    path = write(
        tmp_path / "metrics.json",
        [
            {"iteration": 19, "total_loss": 3.0, "lr": 0.1},
            {"iteration": 39, "total_loss": 9.0},
            {"iteration": 19, "bbox/AP": 5.0},  # the evaluation of an iteration has a line of its own
            {"iteration": 39, "total_loss": 2.0},  # after a resume
        ],
    )
    assert read_metrics(path) == [
        {"iteration": 19, "total_loss": 3.0, "lr": 0.1, "bbox/AP": 5.0},
        {"iteration": 39, "total_loss": 2.0},
    ]


@pytest.mark.parametrize("end", ['{"iteration": 4, "total_l', "\x00\x00\n", '{"total_loss": 1}\n', "[3]\n", "7\n"])
def test_a_broken_line_is_left_out(tmp_path, caplog, end):
    assert read_metrics(write(tmp_path / "metrics.json", RUN, end)) == RUN
    assert "line 5 is not a record" in caplog.text


def test_csv_has_a_column_for_everything_ever_logged(tmp_path):
    write_metrics_csv(write(tmp_path / "metrics.json", RUN, '{"iter'), tmp_path / "metrics.csv")
    with open(tmp_path / "metrics.csv", newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == ["iteration", "bbox/AP", "bbox/AP50", "loss_cls", "lr", "total_loss", "val_total_loss"]
    assert table[1] == ["0", "", "", "1.0", "0.01", "2.0", ""]
    assert table[2] == ["1", "1.0", "3.0", "0.5", "0.01", "1.0", "1.5"]
    assert len(table) == 5


def colors_of(png, left, right):
    """How many pixels of each of the first three colours lie between two shares of the width."""
    pixels = (imread(png)[:, :, :3] * 255).round().astype(int)
    width = pixels.shape[1]
    part = pixels[:, int(left * width) : int(right * width)].reshape(-1, 3)
    return [int((part == class_color(k)).all(1).sum()) for k in range(3)]


def test_three_panels(tmp_path):
    plot_results(write(tmp_path / "metrics.json", RUN), tmp_path / "results.png")
    losses, rates, scores = (colors_of(tmp_path / "results.png", k / 3, (k + 1) / 3) for k in range(3))
    assert losses[0] > 100 and losses[1] > 50 and losses[2] == 0  # total_loss, loss_cls
    assert rates[0] > 100 and rates[1:] == [0, 0]
    assert scores[0] > 100 and scores[1] > 10 and scores[2] == 0  # AP, AP50; no AP75


@pytest.mark.parametrize(
    "records", [[], [{"iteration": 0, "total_loss": float("nan"), "lr": "odd"}], [{"iteration": 3}]]
)
def test_little_or_nothing_logged_is_still_a_picture(tmp_path, records):
    plot_results(write(tmp_path / "metrics.json", records), tmp_path / "results.png")
    assert imread(tmp_path / "results.png").shape[0] > 300


def test_no_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="no metrics at .*nowhere.json"):
        plot_results(tmp_path / "nowhere.json", tmp_path / "results.png")
