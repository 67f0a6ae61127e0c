import itertools
import math

import numpy as np
import pytest
import torch
from detectron2.engine import HookBase, TrainerBase

from dense_det.checkpoint import read_checkpoint
from dense_det.engine.hooks import EarlyStop, Evaluation, PreciseNorms, SeedStep


class Loop(TrainerBase):
    """Steps that do nothing but remember a random number."""

    def __init__(self, *hooks):
        super().__init__()
        self.drawn = []
        self.register_hooks(list(hooks))

    def run_step(self):
        self.drawn.append(torch.rand(1).item())


def evaluation(values, saved, **options) -> Evaluation:
    """An Evaluation whose n-th result is values[n]; `saved` collects the values that were kept as best."""
    results = iter(values)
    last = []

    def evaluate():
        last.append(next(results))
        return {"bbox": {"AP": last[-1]}}

    return Evaluation(2, evaluate, "bbox/AP", lambda: saved.append(last[-1]), **options)


def test_every_new_best_is_saved_and_nan_is_worse_than_all():
    saved = []
    Loop(evaluation([math.nan, 3, 2, math.nan, 5], saved)).train(0, 10)
    assert saved == [3, 5]


def test_the_last_iteration_is_evaluated_once_whatever_the_period():
    for max_iter, runs in ((4, 2), (5, 3)):
        values = iter(range(10))
        Loop(Evaluation(2, lambda v=values: {"bbox": {"AP": next(v)}}, "bbox/AP", lambda: None)).train(0, max_iter)
        assert next(values) == runs


def test_training_stops_when_patience_ends():
    saved, hook = [], None
    hook = evaluation([4, 3, 2, 1], saved, patience=2)
    loop = Loop(hook)
    with pytest.raises(EarlyStop) as stop:
        loop.train(0, 100)
    assert loop.iter + 1 == stop.value.done == 6 and hook.best_iteration == 2 and saved == [4]


@pytest.mark.parametrize(
    "metrics",
    [
        {"bbox": {"AP": math.nan, "AP50": 1}},  # of no class there is a box
        {},  # a test set without annotations
        {"val_total_loss": 1},
        None,  # all but the main process
    ],
)
def test_what_cannot_be_measured_counts_as_no_gain(metrics):
    hook = Evaluation(1, lambda: metrics, "bbox/AP", lambda: pytest.fail("nothing to save"), patience=2)
    with pytest.raises(EarlyStop) as stop:
        Loop(hook).train(0, 9)
    assert stop.value.done == 2


@pytest.mark.parametrize(
    ("metric", "told"),
    [("bbox/AP_50", "did you mean 'bbox/AP50'.*Known: bbox/AP, bbox/AP50, "), ("segm/AP", "Known: bbox/AP, bbox/AP50")],
)
def test_an_unknown_metric_is_answered_by_the_first_evaluation(metric, told):
    results = {"bbox": {"AP": 1, "AP50": 2, "AP-card": 3}, "quad": {"IoU": 4}, "val_total_loss": 5}
    loop = Loop(Evaluation(2, lambda: results, metric, lambda: pytest.fail("nothing to save")))
    with pytest.raises(ValueError, match=f"TEST.BEST_METRIC: .*'{metric}'.*{told}") as error:
        loop.train(0, 9)
    assert loop.iter + 1 == 2 and "card" not in str(error.value) and "loss" not in str(error.value)
    Loop(Evaluation(2, lambda: results, "bbox/AP-card", lambda: None)).train(0, 2)


def test_an_unknown_metric_stops_all_processes(monkeypatch):
    monkeypatch.setattr("detectron2.utils.comm.all_gather", lambda own: [{"bbox/AP": 1.0}, own])
    with pytest.raises(ValueError, match="TEST.BEST_METRIC"):
        Loop(Evaluation(2, lambda: None, "segm/AP", lambda: None)).train(0, 2)


def test_a_best_value_of_numpy_does_not_make_the_checkpoint_a_pickle(tmp_path):
    """Detectron2's evaluators of pixels give np.float64."""
    hook = evaluation([np.float64(3)], [])
    Loop(hook).train(0, 2)
    torch.save({"model": {}, "best": hook.best}, tmp_path / "model.pth")
    assert read_checkpoint(tmp_path / "model.pth")["best"] == 3


def test_a_resumed_run_catches_up_with_the_evaluation_it_missed():
    saved = []
    hook = evaluation([7, 8], saved)
    hook.load_state_dict({"best": 6.0, "best_iteration": 2, "without_gain": 0, "last": 2})
    Loop(hook).train(4, 5)
    assert saved == [7, 8]  # at 4, where the kill came before the evaluation, and at 5, the last


def test_a_run_killed_amid_its_last_evaluation_catches_up_whatever_the_period():
    saved = []
    hook = evaluation([7], saved)
    hook.period = 0
    Loop(hook).train(5, 5)
    assert saved == [7] and hook.last == 5
    Loop(hook).train(5, 5)  # once


@pytest.mark.parametrize(("period", "longer"), [(2, 7), (5, 8)])  # the end was no period; the period was another
def test_a_run_with_another_plan_catches_up_with_the_evaluation_it_missed(period, longer):
    """model_final.pth is written before the last evaluation, and so does not know its result."""

    class Save(HookBase):
        def after_step(self):
            states.append(hook.state_dict())

    saved, states = [], []
    hook = evaluation([1, 2, 50], saved)
    Loop(Save(), hook).train(0, 5)  # evaluated after 2, 4 and 5
    hook = evaluation([50, 48, 49], saved)
    hook.load_state_dict(states[-1])
    hook.period = period + 1
    Loop(hook).train(5, longer)
    assert saved == [1, 2, 50, 50] and hook.best == 50 and hook.best_iteration == 5


def test_a_run_that_had_stopped_stays_stopped():
    """Killed in what comes after the training."""
    hook = evaluation([9, 9], [], patience=2)
    hook.load_state_dict({"best": 6.0, "best_iteration": 2, "without_gain": 2, "last": 6})
    loop = Loop(hook)
    with pytest.raises(EarlyStop) as stop:
        loop.train(6, 12)
    assert stop.value.done == 6 and hook.last == 6
    hook.patience = 3  # who gives it more has it go on
    Loop(hook).train(6, 8)


def test_a_resumed_run_does_not_evaluate_twice():
    saved = []
    hook = evaluation([7], saved)
    hook.load_state_dict({"best": 6.0, "best_iteration": 4, "without_gain": 0, "last": 4})
    Loop(hook).train(4, 5)
    assert saved == [7]


def test_random_numbers_depend_on_seed_and_iteration_only():
    whole, tail, other = Loop(SeedStep(1)), Loop(SeedStep(1)), Loop(SeedStep(2))
    whole.train(0, 4)
    tail.train(2, 4)
    other.train(0, 4)
    assert whole.drawn[2:] == tail.drawn
    assert len(set(whole.drawn + other.drawn)) == 8


@pytest.mark.parametrize(("period", "at"), [(0, [5]), (2, [2, 4, 5])])
def test_norm_statistics_are_made_before_every_evaluation_of_the_batches_that_come_next(period, at):
    norm, starts = torch.nn.BatchNorm1d(1), []

    def batches(start):
        starts.append(start)
        return (torch.tensor([[float(start)], [float(start + 2 * step)]]) for step in itertools.count())

    means = []
    evaluate = Evaluation(period, lambda: means.append(norm.running_mean.item()), "bbox/AP", lambda: None)
    Loop(PreciseNorms(period, norm, batches, 2), evaluate).train(0, 5)
    # two batches: start, start and start, start + 2
    assert starts == at and means == [start + 0.5 for start in at]


def test_no_batch_makes_no_statistics():
    with pytest.raises(ValueError, match="PRECISE_BN.NUM_ITER.*at least 1; got 0"):
        PreciseNorms(0, torch.nn.BatchNorm1d(1), iter, 0)
