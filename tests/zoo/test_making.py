"""The order of things, what is done once, and what a row holds."""

import dataclasses

import pytest

from dense_det.steps import StepFailed
from dense_det.zoo import making as module
from dense_det.zoo.making import Making, finished_row, missing_packages


def names(steps):
    return names_of(steps.seen)


def names_of(steps):
    return [step.name for step in steps]


def test_a_row_from_the_data_to_the_figures(entries, steps, tmp_path):
    out = tmp_path / "out"
    row = Making(out, steps, (3, 1), 2, {}).row("small", entries["small"])
    assert names(steps) == [
        "prepare-small-data", "prepare-small-weights", "small-seed3", "small-seed1", "small-onnx", "small-int8",
        "small-count", "small-benchmark",
    ]  # fmt: skip
    words = {step.name: step.words for step in steps.seen}
    assert words["small-seed1"][-6:] == ("KEY", "1", "SEED", "1", "OUTPUT_DIR", str(out / "small" / "seed1"))
    assert words["small-onnx"][1:4] == (
        str(out / "small/seed3/config.yaml"),
        "--weights",
        str(out / "small/seed3/model_best.pth"),
    )
    assert words["small-count"][2:5] == ("--size", "240", "320")
    assert row["AP"] == [33, 31] and row["AP50"] == [60, 60] and row["minutes"] == [1.5, 1.5]
    assert (row["params"], row["gmacs"], row["size"], row["data"]) == (1_500_000, 0.25, [240, 320], "cards")
    assert row["commit"] == "abc" and row["command"] == f"python tools/make_zoo.py small --out {out} --seeds 3 1"


def test_a_shipped_row_is_measured_again_and_not_trained(entries, steps, tmp_path):
    shipped, making = tmp_path / "zoo" / "small", Making(tmp_path / "out", steps, (), 1, {})
    steps.write(shipped / "row.json", {"name": "small", "AP": [31], "benchmark": "of another day", "missing": {}})
    steps.write_detector(shipped)
    ((source, before),) = making.sources(entries, shipped.parent).values()
    assert source == shipped
    row = making.again("small", entries["small"], source, before)
    run = making.measured / "small" / "run"
    assert names(steps) == ["prepare-small-data", "small-onnx", "small-int8", "small-benchmark"]
    exporting = [step for step in steps.seen if "tools/export_model.py" in step.words]
    assert [step.result for step in exporting] == [run / "model.onnx", run / "model_int8.xml"]
    assert exporting[1].words[-3] == "--labelled"  # a file of 8-bit integers that loses 1 AP fails
    assert all(str(run / "model.safetensors") in step.words for step in exporting)
    assert row["AP"] == [31] and row["benchmark"]["cpu"] == "a CPU"
    assert finished_row(making.measured / "small") == row
    assert finished_row(shipped)["benchmark"] == "of another day" and not (shipped / "model.onnx").exists()
    # files of an earlier time are not taken for those of this one
    steps.seen.clear()
    making.again("small", entries["small"], source, before)
    assert "small-int8" in names(steps)


def test_a_folder_that_is_not_whole_is_named(entries, steps, tmp_path):
    """A StepFailed ends this row, not those of others."""
    making, shipped = Making(tmp_path / "out", steps, (0,), 1, {}), tmp_path / "zoo" / "small"
    steps.write_detector(shipped)
    (shipped / "evaluation" / "thresholds.json").unlink()
    with pytest.raises(StepFailed, match="small: .*zoo/small has no evaluation/thresholds.json"):
        making.again("small", entries["small"], shipped, {"name": "small"})


def test_a_trained_row_that_is_not_shipped_is_measured_again_too(entries, steps, tmp_path):
    making = Making(tmp_path / "out", steps, (3, 1), 1, {})
    row = making.row("large", entries["large"])
    run = tmp_path / "out" / "large" / "seed3"
    assert making.sources(entries, tmp_path / "zoo") == {}  # somebody removed its weights
    (run / "model_best.pth").write_bytes(b"weights")
    assert making.sources(entries, tmp_path / "zoo") == {"large": (run, row)}
    steps.seen.clear()
    again = making.again("large", entries["large"], run, row)
    assert (making.measured / "large" / "run" / "model_best.pth").read_bytes() == b"weights"
    assert names(steps) == ["large-onnx", "large-int8", "large-benchmark"] and again == row
    # the shipped one goes before
    shipped = tmp_path / "zoo" / "large"
    steps.write(shipped / "row.json", {"name": "large"})
    assert making.sources(entries, tmp_path / "zoo")["large"][0] == run  # a row alone
    steps.write_detector(shipped)
    assert making.sources(entries, tmp_path / "zoo")["large"] == (shipped, {"name": "large"})


def test_what_was_trained_with_other_words_is_not_measured(entries, steps, tmp_path):
    making = Making(tmp_path / "out", steps, (0,), 1, {})
    for name in entries:
        making.row(name, entries[name])
        (tmp_path / "out" / name / "seed0" / "model_best.pth").touch()
    now = entries | {"large": dataclasses.replace(entries["large"], opts=("KEY", "2"))}
    assert list(making.sources(now, tmp_path / "zoo")) == ["small"]
    assert steps.said == [f"large: {tmp_path / 'out' / 'large'} was trained with other words of the list, not measured"]


def test_times_of_all_rows_are_taken_in_turns(entries, steps, tmp_path):
    making = Making(tmp_path / "out", steps, (), 1, {})
    for name in entries:
        shipped = tmp_path / "zoo" / name
        steps.write(shipped / "row.json", {"name": name, "AP": [31], "benchmark": "of another day", "missing": {}})
        steps.write_detector(shipped)
        making.again(name, entries[name], shipped, finished_row(shipped))
    rows = making.together(entries)
    runs = [str(making.measured / name / "run") for name in ("small", "large")]
    images = str(tmp_path / "cards" / "images")
    assert steps.seen[-1].words[1:-2] == (runs[0], images, "--also", runs[1], images)
    small, large = (rows[name]["benchmark"] for name in ("small", "large"))
    assert [each["ms"] for each in small["formats"][:2]] == [40, 20]
    assert [each["ms"] for each in large["formats"][:2]] == [80, 40]
    assert small["formats"][0]["ap"] == large["formats"][0]["ap"] == 29.5  # from each row alone
    assert small["in_turns_with"] == large["in_turns_with"] == ["small", "large"] and small["rounds"] == 9
    assert rows == {name: finished_row(making.measured / name) for name in entries}


def test_times_alone_leave_the_ap_as_it_was(entries, steps, tmp_path):
    making, shipped = Making(tmp_path / "out", steps, (), 1, {}), tmp_path / "zoo" / "large"
    before = {"formats": [{"name": "torch", "ms": 7, "ap": 12.5}]}  # of a day without the other packages
    steps.write(shipped / "row.json", {"name": "large", "AP": [31], "benchmark": before, "missing": {"ONNX": "onnx"}})
    steps.write_detector(shipped)
    making.again("large", entries["large"], shipped, finished_row(shipped), judged=False)
    assert names(steps) == ["prepare-large-data", "large-onnx", "large-int8"]
    assert not any("--labelled" in step.words for step in steps.seen)
    row = making.together({"large": entries["large"]})["large"]
    found = {each["name"]: (each["ms"], each["ap"]) for each in row["benchmark"]["formats"]}
    assert found["torch"] == (40, 12.5) and found["torch, folded, channels_last"] == (20, None)
    assert row["missing"] == {} and row["AP"] == [31]


def test_a_finished_row_is_not_made_again(entries, steps, tmp_path):
    making = Making(tmp_path / "out", steps, (0,), 1, {})
    row = making.row("large", entries["large"])
    assert "prepare-large-weights" not in names(steps)
    steps.seen.clear()
    assert making.row("large", entries["large"]) == row and not steps.seen
    more = dataclasses.replace(making, seeds=(0, 1)).row("large", entries["large"])
    # one training more; the exported file, the counts and the first training stay
    assert names(steps) == ["large-seed1", "large-benchmark"] and more["AP"] == [30, 31]


def test_trainings_of_all_rows_are_side_by_side(entries, steps, tmp_path):
    making, together = Making(tmp_path / "out", steps, (0, 1), 3, {}), []
    run = steps.run
    steps.run = lambda some, at_once=1: (together.append((names_of(some), at_once)), run(some, at_once))
    making.train(entries)
    # the data that both share are prepared once, and not again for the row
    assert [name for name in names(steps) if "prepare" in name] == ["prepare-small-data", "prepare-small-weights"]
    assert together[-1] == (["small-seed0", "small-seed1", "large-seed0", "large-seed1"], 3)
    steps.seen.clear()
    assert making.row("small", entries["small"])["AP"] == [30, 31]
    assert names(steps) == ["small-onnx", "small-int8", "small-count", "small-benchmark"]
    together.clear()
    making.train(entries)  # what is finished is not prepared again
    assert together == [(["large-seed0", "large-seed1"], 3)]


def test_a_training_that_fails_is_left_to_its_row(entries, steps, tmp_path):
    making, run = Making(tmp_path / "out", steps, (0,), 2, {}), steps.run

    def fail(some, at_once=1):
        if any(name == "small-seed0" for name in names_of(some)):
            raise StepFailed("small-seed0 ended with code 1")
        run(some, at_once)

    steps.run = fail
    making.train(entries)
    with pytest.raises(StepFailed, match="small-seed0"):
        making.row("small", entries["small"])
    assert making.row("large", entries["large"])["AP"] == [30]


def test_a_file_that_cannot_be_made_is_named_until_it_can(entries, steps, tmp_path):
    making = Making(tmp_path / "out", steps, (0,), 1, {"OpenVINO int8": "nncf"})
    row = making.row("large", entries["large"])
    assert row["missing"] == {"OpenVINO int8": "nncf"} and "large-int8" not in names(steps)
    assert steps.said == ["large: no OpenVINO int8 file, nncf is not installed"]
    steps.seen.clear()
    row = dataclasses.replace(making, missing={}).row("large", entries["large"])
    assert names(steps) == ["large-int8", "large-benchmark"] and row["missing"] == {}


def test_a_folder_belongs_to_one_entry(entries, steps, tmp_path):
    making = Making(tmp_path / "out", steps, (0,), 1, {})
    making.row("large", entries["large"])
    with pytest.raises(ValueError, match="large was begun with other words of the list: remove it"):
        making.row("large", dataclasses.replace(entries["large"], opts=("KEY", "2")))


def test_integers_are_calibrated_on_images_of_training_alone(entries, steps, tmp_path):
    Making(tmp_path / "out", steps, (0,), 1, {}).row("large", entries["large"])
    (words,) = (step.words for step in steps.seen if step.name == "large-int8")
    folder = tmp_path / "out" / "large" / "calibration"
    assert words[words.index("--int8") + 1] == str(folder)
    links = sorted(folder.iterdir())
    assert len(links) == 300 and (folder / "598.jpg").readlink() == tmp_path / "cards" / "images" / "598.jpg"


def test_openvino_s_files_need_what_onnx_files_need(monkeypatch):
    there = {"onnx", "onnxruntime", "openvino", "nncf"}
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: name if name in there else None)
    assert missing_packages() == {"ONNX": "onnxscript", "OpenVINO int8": "onnxscript"}
    there.add("onnxscript")
    assert missing_packages() == {}
    there.remove("nncf")
    assert missing_packages() == {"OpenVINO int8": "nncf"}
