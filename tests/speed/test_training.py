import pytest
import torch

from dense_det.engine.step import Step
from dense_det.speed import training
from dense_det.speed.training import build_step, training_race


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


def test_the_two_have_a_process_each():
    race = training_race(64, 2, 1)
    assert [goal.least for goal in race.goals] == [1.4] and race.repeats == training.STEPS
    assert {name: apart.make.args[0] for name, apart in race.calls.items()} == {
        training.PLAIN: False,
        training.OURS: True,
    }
