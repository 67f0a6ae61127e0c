"""Whole trainings, small: what is left behind, and that a kill, a resume and a second process change nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dense_det.checkpoint import read_checkpoint
from dense_det.engine.arguments import build_parser, parse
from dense_det.engine.run import run
from dense_det.engine.setup import setup

TRAIN_NET = Path(__file__).parents[2] / "tools" / "train_net.py"


def train(words: list[str]) -> None:
    run(setup(parse(build_parser(), words)))


def state(path) -> dict[str, torch.Tensor]:
    checkpoint = read_checkpoint(path)
    return checkpoint["model"] | {f"ema.{k}": v for k, v in checkpoint["ema"]["model"].items()}


def assert_same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def losses(folder) -> dict[int, float]:
    lines = [json.loads(line) for line in (Path(folder) / "metrics.json").read_text().splitlines()]
    return {line["iteration"]: line["total_loss"] for line in lines if "total_loss" in line}


@pytest.fixture(scope="module")
def finished(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    train(words(folder))
    return folder


def test_a_training_leaves_one_folder_with_everything(finished):
    for name in (
        "config.yaml", "environment.txt", "run.json", "log.txt", "metrics.json", "metrics.csv", "results.png",
        "train_batch0.jpg", "model_0000001.pth", "model_best.pth", "model_final.pth",
        "evaluation/metrics.json", "evaluation/coco_instances_results.json",
    ):  # fmt: skip
        assert (finished / name).stat().st_size, name
    assert not list(finished.rglob("*.tmp"))
    assert "NUM_CLASSES: 2" in (finished / "config.yaml").read_text()
    facts = json.loads((finished / "run.json").read_text())
    assert set(facts) >= {"command", "git", "torch", "OMP_WAIT_POLICY", "cpu"} and facts["seconds"] > 0
    assert facts["classes"] == ["red", "blue"] and len(facts["datasets"]) == 2


def test_its_config_is_all_that_an_evaluation_needs(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    words = ["--config-file", str(tmp_path / "run/config.yaml"), "--eval-only", "MODEL.WEIGHTS"]
    words += [str(tmp_path / "run/model_best.pth"), "OUTPUT_DIR", str(tmp_path / "again")]
    subprocess.run([sys.executable, TRAIN_NET, *words], check=True, capture_output=True)
    first, again = (json.loads((tmp_path / f"{name}/evaluation/metrics.json").read_text()) for name in ("run", "again"))
    assert again["bbox/AP"] == first["bbox/AP"]


def test_the_averaged_weights_are_the_best_ones_kept(finished):
    best = read_checkpoint(finished / "model_best.pth")
    assert list(best) == ["model"]  # to use, not to resume from
    raw = read_checkpoint(finished / "model_final.pth")["model"]
    assert any(not torch.equal(best["model"][name], raw[name]) for name in raw)


def test_a_resumed_run_ends_with_the_same_weights(finished, words, tmp_path):
    train(words(tmp_path))
    for late in ("model_final.pth", "model_0000005.pth", "model_best.pth"):
        (tmp_path / late).unlink()
    train(words(tmp_path, flags=["--resume"]))  # from iteration 4
    assert_same(state(finished / "model_final.pth"), state(tmp_path / "model_final.pth"))
    assert json.loads((tmp_path / "run.json").read_text())["seconds"] is None, "its last part alone is known"


def test_batch_norm_statistics_are_those_of_the_weights_that_are_kept(words, tmp_path):
    """Other numbers than without, in nothing but the averaged model's norms; the same after a resume."""
    norm = ["MODEL.BOTTOM_UP.NORM", "BN", "TEST.PRECISE_BN.NUM_ITER", 2, "TEST.EVAL_PERIOD", 0]
    train(words(tmp_path / "without", *norm))
    norm += ["TEST.PRECISE_BN.ENABLED", True]
    train(words(tmp_path / "precise", *norm))
    without, first = (state(tmp_path / name / "model_final.pth") for name in ("without", "precise"))
    changed = {name for name, tensor in first.items() if not torch.equal(tensor, without[name])}
    assert changed == {name for name in first if name.startswith("ema.") and "running_" in name}
    best = read_checkpoint(tmp_path / "precise" / "model_best.pth")["model"]
    assert_same(best, {name.removeprefix("ema."): t for name, t in first.items() if name.startswith("ema.")})
    for late in ("model_final.pth", "model_0000005.pth", "model_best.pth"):
        (tmp_path / "precise" / late).unlink()
    train(words(tmp_path / "precise", *norm, flags=["--resume"]))
    assert_same(first, state(tmp_path / "precise" / "model_final.pth"))


def test_a_damaged_checkpoint_costs_only_the_steps_since_the_one_before(finished, words, tmp_path, caplog):
    train(words(tmp_path))
    for late in ("model_final.pth", "model_best.pth"):
        (tmp_path / late).unlink()
    damaged = tmp_path / "model_0000005.pth"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    train(words(tmp_path, flags=["--resume"]))
    assert "model_0000005.pth" in (tmp_path / "log.txt").read_text()
    assert_same(state(finished / "model_final.pth"), state(tmp_path / "model_final.pth"))


def test_kill_9_in_the_middle_loses_nothing_that_was_saved(finished, words, tmp_path):
    # threads decide the order of sums: the same number as in this process
    env = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, str(TRAIN_NET)]
    process = subprocess.Popen([*command, *words(tmp_path)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob("model_*.pth")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert list(tmp_path.glob("model_*.pth")), errors.decode()[-2000:]
    subprocess.run([*command, *words(tmp_path, flags=["--resume"])], env=env, check=True, capture_output=True)
    assert_same(state(finished / "model_final.pth"), state(tmp_path / "model_final.pth"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("MODEL.RETINANET.NUM_CONVS", 2), "the checkpoint has groups of .*config.yaml beside the checkpoint"),
        (("SOLVER.OPTIMIZER", "SGD"), "SOLVER.OPTIMIZER is SGD, but the checkpoint's is AdamW"),
    ],
)
def test_a_resume_that_cannot_go_on_leaves_the_records_of_the_run(finished, words, tmp_path, options, told):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    with pytest.raises(ValueError, match=told):
        train(words(tmp_path, *options, flags=["--resume"]))
    for name in ("config.yaml", "run.json", "environment.txt"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes(), name


@pytest.mark.usefixtures("one_thread")  # as each of the two has
def test_two_processes_share_a_batch_and_compute_the_same(words, tmp_path):
    options = ["TEST.EVAL_PERIOD", 0, "SOLVER.MAX_ITER", 3, "SOLVER.CHECKPOINT_PERIOD", 1]
    # AdamW's first steps are +-lr whatever the gradient's size, so rounding near 0 would flip them
    options += ["SOLVER.OPTIMIZER", "SGD", "SOLVER.BASE_LR", 0.01]
    train(words(tmp_path / "one", *options))
    command = [sys.executable, str(TRAIN_NET), *words(tmp_path / "two", *options, flags=["--num-procs", "2"])]
    subprocess.run(command, check=True, capture_output=True)
    for iteration in range(3):
        one, two = (state(tmp_path / n / f"model_{iteration:07d}.pth") for n in ("one", "two"))
        for name, tensor in one.items():
            torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)


def test_evaluation_alone_gives_the_same_numbers(finished, words, tmp_path):
    train(words(tmp_path, "MODEL.WEIGHTS", finished / "model_best.pth", flags=["--eval-only"]))
    first, second = (json.loads((f / "evaluation" / "metrics.json").read_text()) for f in (finished, tmp_path))
    assert first == second


def test_a_loss_that_is_not_finite_stops_the_run_and_names_iteration_and_images(words, tmp_path):
    with pytest.raises(FloatingPointError, match=r"iteration \d.*Image ids of this batch: \d+ \(.*train\d+.png\)"):
        train(words(tmp_path, "SOLVER.BASE_LR", 1e30, "SOLVER.OPTIMIZER", "SGD", "SOLVER.WARMUP_ITERS", 0))
    assert (tmp_path / "config.yaml").is_file() and (tmp_path / "run.json").is_file()
    for path in tmp_path.glob("model_*.pth"):
        assert all(torch.isfinite(tensor).all() for tensor in read_checkpoint(path)["model"].values()), path


def test_early_stop_ends_with_everything_in_place(words, tmp_path):
    options = ["SOLVER.BASE_LR", 1e-12, "SOLVER.EARLY_STOP_PATIENCE", 1, "SOLVER.MAX_ITER", 100, "TEST.EVAL_PERIOD", 1]
    train(words(tmp_path, *options))
    assert (tmp_path / "model_final.pth").is_file() and (tmp_path / "evaluation" / "metrics.json").is_file()
    first = read_checkpoint(tmp_path / "model_final.pth")
    assert first["iteration"] < 5
    train(words(tmp_path, *options, flags=["--resume"]))  # makes no step, and so must count none
    second = read_checkpoint(tmp_path / "model_final.pth")
    assert [c["trainer"]["iteration"] for c in (first, second)] == [first["iteration"]] * 2
    assert second["iteration"] == first["iteration"]


def test_evaluation_in_many_views_reads_images_as_they_are(finished, words, tmp_path):
    options = ["MODEL.WEIGHTS", finished / "model_best.pth", "TEST.AUG.ENABLED", True, "TEST.AUG.MIN_SIZES", "(48, 64)"]
    train(words(tmp_path, *options, flags=["--eval-only"]))
    plain, augmented = (json.loads((f / "evaluation" / "metrics.json").read_text()) for f in (finished, tmp_path))
    assert plain.keys() == augmented.keys() and plain["ground_truth"] == augmented["ground_truth"]
    with pytest.raises(ValueError, match="TEST.AUG.NMS_THRESH"):  # before anything is read
        train(words(tmp_path / "wrong", *options, "TEST.AUG.NMS_THRESH", 2, flags=["--eval-only"]))
