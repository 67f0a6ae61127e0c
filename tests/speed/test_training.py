import os

import pytest
import torch

from dense_det.engine.step import Step
from dense_det.environment import LEAVE, VARIABLES
from dense_det.speed import training
from dense_det.speed.training import Apart, build_step, training_race


@pytest.mark.parametrize("ours", [False, True])
def test_a_step_changes_the_weights(ours, monkeypatch):
    steps = []
    monkeypatch.setattr(training, "Step", lambda *args: steps.append(Step(*args)) or steps[-1])
    run = build_step(ours, 64, 2, torch.get_num_threads())
    (step,) = steps
    stem = next(weight for weight in step.model.parameters() if weight.ndim == 4 and weight.shape[1] == 3)
    before = stem.clone()
    assert stem.is_contiguous(memory_format=torch.channels_last) == ours
    assert bool(step.optimizer.defaults["fused"]) == ours
    run()
    run()
    assert not torch.equal(stem, before)


def variables() -> dict:
    return {name: os.environ.get(name) for name in (LEAVE, *VARIABLES)}


def tell_variables():
    """In the other process: what it got is its working folder's business."""
    seen = variables()

    def run():
        with open(os.environ["SEEN"], "a") as file:
            file.write(f"{seen}\n")

    return run


def test_one_process_is_left_as_it_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    before = dict(os.environ)
    seen = []
    for prepared in (False, True):
        monkeypatch.setenv("SEEN", str(tmp_path / str(prepared)))
        with Apart(tell_variables, prepared) as apart:
            apart()
            apart()
        seen.append((tmp_path / str(prepared)).read_text().splitlines()[-1])
    assert {**os.environ, "SEEN": ""} == {**before, "SEEN": ""}
    assert "'DENSE_DET_LEAVE_PROCESS': '1', 'OMP_WAIT_POLICY': None" in seen[0]
    assert "'DENSE_DET_LEAVE_PROCESS': None, 'OMP_WAIT_POLICY': 'PASSIVE'" in seen[1]
    race = training_race(len, print, 320, 8)
    assert [goal.least for goal in race.goals] == [1.4] and list(race.calls.values()) == [len, print]


def test_a_process_that_does_not_start_is_said(monkeypatch):
    monkeypatch.setattr(training, "SECONDS_TO_START", 0)
    apart = Apart(tell_variables, True)
    with pytest.raises(ValueError, match="did not start within 0 s"):
        apart.__enter__()
    apart.__exit__()
