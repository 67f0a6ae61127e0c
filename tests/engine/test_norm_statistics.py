import pytest
import torch
from torch import nn

from dense_det.engine.norm_statistics import Moments, recompute_norm_statistics

BATCHES = [torch.tensor([[0.0, 10.0], [2.0, 10.0]]), torch.tensor([[7.0, 13.0]])]


class Shared(nn.Module):
    """A norm that is used twice, and one that nothing reaches."""

    def __init__(self):
        super().__init__()
        self.norm, self.unused = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
        self.unused.running_mean.fill_(5.0)

    def forward(self, x):
        return self.norm(x), self.norm(x + 1)


class One(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.norm(x[:, :, None, None].expand(-1, -1, 1, 2))


def test_statistics_are_those_of_all_pixels_of_all_batches():
    model = One().eval()
    assert recompute_norm_statistics(model, BATCHES) == 1
    # channel 0 is 0, 2, 7: mean 3, variance (9 + 1 + 16) / 3; channel 1 is 10, 10, 13: mean 11, variance 6 / 3
    assert model.norm.running_mean.tolist() == [3, 11]
    assert model.norm.running_var.tolist() == pytest.approx([26 / 3, 2])


def test_nothing_else_of_the_model_changes():
    model = One().eval()
    model.norm.weight.data.fill_(2)
    recompute_norm_statistics(model, BATCHES)
    assert not model.training and not model.norm.training
    assert model.norm.weight.tolist() == [2, 2] and model.norm.momentum == 0.1
    assert model.norm.num_batches_tracked.item() == 0
    assert model(BATCHES[0]).shape == (2, 2, 1, 2)  # no hook is left to count it
    assert model.norm.running_mean.tolist() == [3, 11]


def test_a_norm_used_twice_counts_both_and_an_unused_one_keeps_its_own():
    model = Shared()
    assert recompute_norm_statistics(model, [torch.tensor([[0.0, 1.0], [2.0, 1.0]])]) == 2
    assert model.norm.running_mean.tolist() == [1.5, 1.5]  # of 0, 2, 1, 3 and of 1, 1, 2, 2
    assert model.norm.running_var.tolist() == [1.25, 0.25]
    assert model.unused.running_mean.tolist() == [5, 5] and model.unused.running_var.tolist() == [1, 1]


def test_an_empty_batch_and_a_model_without_batch_norm_are_no_error():
    moments = Moments()
    moments(None, (torch.zeros(0, 2, 3, 3),))
    assert moments.count == 0
    assert recompute_norm_statistics(nn.Sequential(nn.GroupNorm(1, 2)), iter(())) == 0


def test_a_large_mean_leaves_the_digits_of_a_small_variance():
    model = nn.Sequential(nn.BatchNorm1d(1))
    recompute_norm_statistics(model, [torch.tensor([[1000.0], [1001.0]]), torch.tensor([[1002.0], [1003.0]])])
    assert model[0].running_mean.item() == 1001.5 and model[0].running_var.item() == 1.25
