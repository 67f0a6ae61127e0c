"""Batch norm of few channels computes the same, by whole vectors."""

import copy

import pytest
import torch
from torch import nn

from dense_det.batch_norm import FEW_VALUES, VectorBatchNorm2d, use_vectors


def norm(channels: int, **words) -> nn.BatchNorm2d:
    torch.manual_seed(0)
    made = nn.BatchNorm2d(channels, **words)
    for values in made.parameters():
        nn.init.uniform_(values, 0.5, 1.5)
    return made


@pytest.fixture
def vectors_everywhere(monkeypatch):
    """Maps of any size."""
    monkeypatch.setattr("dense_det.batch_norm.FEW_VALUES", 0)


def picture(*shape) -> torch.Tensor:
    return torch.randn(*shape).mul(3).add(5).contiguous(memory_format=torch.channels_last)


def test_numbers_worked_out_by_hand(vectors_everywhere):
    """One channel, 16 pixels: eight times 1, eight times 5; mean 3, variance 4."""
    layer = use_vectors(nn.BatchNorm2d(1, eps=0.0, momentum=0.5))
    x = torch.tensor([1.0, 5.0] * 8).reshape(1, 1, 4, 4).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = layer(x)
    assert "NormOfColumns" in type(y.grad_fn).__name__
    assert y.flatten().tolist() == [-1.0, 1.0] * 8
    assert layer.running_mean.tolist() == [1.5]  # half of 0 and half of 3
    assert layer.running_var.tolist() == pytest.approx([0.5 + 0.5 * 4 * 16 / 15])
    # of a loss that is the first value of y: a step of x there moves mean and deviation, too
    y[0, 0, 0, 0].backward()
    # (1/2) * (1 - 1/16 - y0 * y0 / 16) at the pixel itself, (1/2) * (-1/16 - y0 * y / 16) at the others
    same, other = 0.5 * (-1 / 16 - 1 / 16), 0.5 * (-1 / 16 + 1 / 16)
    expected = [same, other] * 8
    expected[0] += 0.5
    assert x.grad.flatten().tolist() == pytest.approx(expected)
    assert layer.weight.grad.tolist() == [-1.0] and layer.bias.grad.tolist() == [1.0]


@pytest.mark.parametrize("shape", [(2, 24, 8, 6), (1, 8, 4, 4), (3, 40, 2, 4), (4, 6, 4, 10)])
def test_outputs_gradients_and_statistics_are_those_of_64_bits(shape, vectors_everywhere):
    x, up = picture(*shape), picture(*shape)
    plain = norm(shape[1])
    ours, exact = use_vectors(copy.deepcopy(plain)), copy.deepcopy(plain).double()
    results = []
    for layer, dtype in ((ours, torch.float32), (exact, torch.float64)):
        given = x.detach().to(dtype, copy=True).requires_grad_()
        found = layer(given)
        assert ("NormOfColumns" in type(found.grad_fn).__name__) == (layer is ours)
        torch.relu_(found).backward(up.to(dtype))  # a later layer may overwrite the output
        results.append([found, given.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var])
        assert int(layer.num_batches_tracked) == 1
    for now, then in zip(*results, strict=True):
        torch.testing.assert_close(now, then.float(), rtol=1e-4, atol=1e-4)
    assert results[0][0].is_contiguous(memory_format=torch.channels_last)
    assert results[0][1].is_contiguous(memory_format=torch.channels_last)


def test_a_gradient_in_another_layout(vectors_everywhere):
    x = picture(2, 24, 4, 4)
    grads = []
    for layout in (torch.channels_last, torch.contiguous_format):
        given = x.clone(memory_format=torch.preserve_format).requires_grad_()
        torch.manual_seed(1)
        use_vectors(norm(24))(given).backward(torch.randn(2, 24, 4, 4).contiguous(memory_format=layout))
        grads.append(given.grad)
    assert torch.equal(*grads)


@pytest.mark.parametrize(
    ("shape", "layout", "words"),
    [
        ((1, 24, 3, 3), torch.channels_last, {}),  # 9 pixels are no pairs
        ((1, 32, 4, 4), torch.channels_last, {}),  # whole vectors as it is
        ((1, 72, 4, 4), torch.channels_last, {}),
        ((2, 24, 4, 4), torch.contiguous_format, {}),
        ((2, 24, 4, 4), torch.channels_last, {"affine": False}),
        ((2, 24, 4, 4), torch.channels_last, {"momentum": None}),
        ((2, 24, 4, 4), torch.channels_last, {"track_running_stats": False}),
    ],
    ids=str,
)
def test_what_torch_does_as_well_stays_torchs(shape, layout, words, vectors_everywhere):
    x = torch.randn(*shape).contiguous(memory_format=layout)
    plain = norm(shape[1], **words)
    ours = use_vectors(copy.deepcopy(plain))
    found = ours(x.clone(memory_format=torch.preserve_format).requires_grad_())
    assert "NativeBatchNorm" in type(found.grad_fn).__name__ and torch.equal(found, plain(x))


def test_small_maps_evaluation_and_half_precision_stay_torchs():
    plain = norm(24)
    ours = use_vectors(copy.deepcopy(plain))
    small = picture(1, 24, 8, 8)
    assert small.numel() < FEW_VALUES and torch.equal(ours(small), plain(small))
    large = picture(1, 24, 128, 128)
    assert large.numel() >= FEW_VALUES
    assert "NativeBatchNorm" not in type(ours(large).grad_fn).__name__
    half = large.bfloat16()
    assert "NativeBatchNorm" in type(ours(half).grad_fn).__name__
    plain.load_state_dict(ours.state_dict())
    assert torch.equal(ours.eval()(large), plain.eval()(large))


def test_only_plain_batch_norms_are_exchanged_and_names_stay():
    model = nn.Sequential(nn.BatchNorm2d(4), nn.BatchNorm1d(4), nn.SyncBatchNorm(4), nn.GroupNorm(2, 4))
    names = list(model.state_dict())
    use_vectors(model)
    assert [type(layer) for layer in model] == [VectorBatchNorm2d, nn.BatchNorm1d, nn.SyncBatchNorm, nn.GroupNorm]
    assert list(model.state_dict()) == names
