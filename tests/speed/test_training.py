import pytest
import torch

from dense_det.engine.step import Step
from dense_det.speed import training
from dense_det.speed.training import build_step, precision_race, training_race


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


@pytest.mark.parametrize("unit", [False, True])
def test_bfloat16_where_the_cpu_has_it(unit, monkeypatch):
    monkeypatch.setattr(training, "cpu_has_bfloat16", lambda: unit)
    race = precision_race(64, 2, torch.get_num_threads())
    kinds = ["float32", "bfloat16"][: 1 + unit]
    assert list(race.calls) == [f"V-19-slim, {kind}" for kind in kinds]
    steps = []
    monkeypatch.setattr(training, "Step", lambda *args: steps.append(Step(*args)) or steps[-1])
    for apart in race.calls.values():
        apart.make()
    assert [step.dtype for step in steps] == [None, torch.bfloat16][: 1 + unit]
    widths = {weight.shape[0] for weight in steps[-1].model.backbone.bottom_up.parameters()}
    assert {112, 512} <= widths  # V-19-slim's


@pytest.mark.parametrize("unit", [True, False])
def test_each_has_a_process(unit, monkeypatch):
    monkeypatch.setattr(training, "cpu_has_bfloat16", lambda: unit)
    race = training_race(64, 2, 1)
    ours = [training.OURS, training.IN_BFLOAT16][: 1 + unit]
    assert [(goal.slow, goal.fast, goal.least) for goal in race.goals] == [(training.PLAIN, name, 1.4) for name in ours]
    assert race.repeats == training.STEPS
    assert [(name, apart.make.args[0], apart.make.keywords) for name, apart in race.calls.items()] == [
        (training.PLAIN, False, {}),
        *((name, True, {"dtype": torch.bfloat16} if name == training.IN_BFLOAT16 else {}) for name in ours),
    ]
