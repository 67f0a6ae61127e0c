import pytest
import torch

from dense_det.engine.ema import WeightAverage


def model_with(value: float) -> torch.nn.BatchNorm1d:
    norm = torch.nn.BatchNorm1d(1)
    torch.nn.init.constant_(norm.weight, value)
    norm.running_mean.fill_(value)
    norm.num_batches_tracked.fill_(int(value))
    return norm


def test_the_average_follows_its_formula():
    average = WeightAverage(model_with(0), decay=0.5)
    average.update(model_with(8))  # the first update copies
    assert average.model.weight.item() == 8
    average.update(model_with(0))  # d = min(0.5, 2/11): 8 * 2/11
    assert average.model.weight.item() == pytest.approx(16 / 11)
    average.update(model_with(11))  # d = 3/12: 16/11 / 4 + 11 * 3/4
    assert average.model.weight.item() == pytest.approx(4 / 11 + 33 / 4)
    assert average.model.running_mean.item() == pytest.approx(4 / 11 + 33 / 4)
    assert average.model.num_batches_tracked.item() == 11


def test_a_restored_average_goes_on_alike():
    first, second = WeightAverage(model_with(0), 0.9), WeightAverage(model_with(5), 0.9)
    for value in (1, 2, 3):
        first.update(model_with(value))
    second.load_state_dict(first.state_dict())
    for average in (first, second):
        average.update(model_with(7))
    assert torch.equal(first.model.weight, second.model.weight)


def test_the_average_is_no_part_of_the_training():
    model = model_with(1)
    average = WeightAverage(model, 0.9)
    average.update(model)
    model.weight.data.fill_(4)
    assert average.model.weight.item() == 1 and not average.model.training


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2])
def test_a_decay_outside_is_refused(decay):
    with pytest.raises(ValueError, match="EMA_DECAY"):
        WeightAverage(model_with(0), decay)
