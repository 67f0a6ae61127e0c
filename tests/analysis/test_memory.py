import os
from functools import partial
from unittest.mock import MagicMock

import pytest
import torch
from torch import nn

from dense_det.analysis.memory import compare, kept_bytes, saved_bytes, seconds_of_steps, step_peak_bytes, train_step


def make_net(width):
    return nn.Sequential(nn.Conv2d(3, width, 1), nn.Sigmoid(), nn.Sigmoid())


class Hungry(nn.Module):
    """Keeps 4 MiB a copy for the backward pass."""

    def __init__(self, num_copies):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2**20))
        self.num_copies = num_copies

    def forward(self, images):
        x = self.weight * images.mean()
        for _ in range(self.num_copies):
            x = x.sigmoid()
        return {"out": x}


def test_saved_bytes_by_hand():
    # the convolution keeps the images and its weights, which do not count; each sigmoid its output, 4 bytes a number
    assert saved_bytes(make_net(5), torch.randn(2, 3, 4, 6)) == 2 * (2 * 5 * 4 * 6 * 4)


def test_what_two_operations_keep_counts_once():
    net = nn.Sequential(nn.Sigmoid(), nn.Conv2d(3, 5, 1))
    # the output of the sigmoid is kept by itself and by the convolution
    assert saved_bytes(net, torch.randn(2, 3, 4, 6, requires_grad=True)) == 2 * 3 * 4 * 6 * 4


def test_what_any_call_keeps_without_what_it_was_given():
    weight, x = torch.ones(5, requires_grad=True), torch.ones(5)
    # the product keeps x, the sigmoid its output
    assert kept_bytes(lambda: (weight * x).sigmoid()) == 2 * 5 * 4
    assert kept_bytes(lambda: (weight * x).sigmoid(), [x]) == 5 * 4


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(5), nn.GroupNorm(1, 5), nn.MaxPool2d(2), nn.Linear(6, 2), nn.SiLU()])
def test_without_data_it_is_the_same_number(layer):
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(inplace=True), layer, nn.Sigmoid())
    kept = saved_bytes(net, torch.randn(2, 3, 4, 6))
    assert saved_bytes(net.to("meta"), torch.empty(2, 3, 4, 6, device="meta")) == kept > 0


def test_a_step_starts_from_no_gradients():
    net, images = make_net(5), torch.randn(2, 3, 4, 6)
    train_step(net, images)
    once = net[0].weight.grad.clone()
    train_step(net, images)
    assert once.any() and torch.equal(net[0].weight.grad, once)


def test_seconds_in_turns():
    calls, now = [], iter(range(100))
    nets = {name: make_net(2) for name in ("a", "b")}
    for name, net in nets.items():
        net.register_forward_hook(lambda *_args, name=name: calls.append(name))
    seconds = seconds_of_steps(nets, torch.randn(1, 3, 2, 2), 2, clock=lambda: next(now))
    # the first round is not measured; a round turns around the order of the one before
    assert calls == ["b", "a", "a", "b", "b", "a"]
    assert seconds == {"a": [1, 1], "b": [1, 1]}


def test_a_comparison_is_relative_to_the_first():
    row = compare(partial(Hungry, 20), partial(Hungry, 4), (1, 3, 2, 2), num_rounds=1)
    # the mean of the images, a float, is kept, too
    assert row["saved_mb"] == (20 * 2**22 + 4) / 1e6
    assert row["saved_ratio"] == (4 * 2**22 + 4) / (20 * 2**22 + 4)
    # each in a process of its own: the second does not profit from what the first has freed
    assert (1 - row["peak_ratio"]) * row["peak_mb"] == pytest.approx(16 * 2**22 / 1e6, rel=0.3)
    assert row["seconds"] > 0 and row["time_ratio"] > 0


@pytest.mark.parametrize("before", [None, "123456"])
def test_the_environment_is_as_before(monkeypatch, before):
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    if before is not None:
        monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", before)
    pool = MagicMock()
    pool.return_value.__enter__.return_value.apply = lambda *_: int(os.environ["MALLOC_MMAP_THRESHOLD_"])
    monkeypatch.setattr("multiprocessing.context.SpawnContext.Pool", pool)
    assert step_peak_bytes(nn.Identity, (1, 3, 2, 2)) == 64 * 1024
    assert os.environ.get("MALLOC_MMAP_THRESHOLD_") == before
