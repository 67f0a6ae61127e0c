import pytest
import torch

from dense_det.analysis.machine import Limits, Probe, limits_of, make_probes, usable_device


def test_probes_by_hand():
    probes = make_probes("cpu")
    assert {name: probe.amount for name, probe in probes.items()} == {
        "gemm": 2 * 1024**3,
        "conv": 2 * 9 * 256 * 256 * 32 * 32,
        "copy": 2 * 64 * 2**20,
    }
    assert probes["gemm"].run().shape == (1024, 1024)
    assert probes["conv"].run().shape == (1, 256, 32, 32)
    assert probes["copy"].run().nbytes == 64 * 2**20


def test_probes_compute_in_the_type_that_is_asked_for():
    assert make_probes("cpu", torch.bfloat16)["conv"].run().dtype is torch.bfloat16


def test_limits_by_hand():
    probes = {name: Probe(lambda: None, 3e9) for name in ("gemm", "conv", "copy")}
    # 3e9 in 10 ms are 300 a nanosecond
    limits = limits_of(probes, {"gemm": 20.0, "conv": 10.0, "copy": 100.0})
    assert limits == Limits(gflops=pytest.approx(300), gbytes=pytest.approx(30))
    # a byte allows 30e9 times the operations on it, until arithmetic is at its end
    assert (limits.roof(2), limits.roof(10), limits.roof(1000)) == pytest.approx((60, 300, 300))


@pytest.mark.parametrize(
    ("name", "count", "result"),
    [(None, 0, "cpu"), (None, 1, "cuda"), ("cpu", 1, "cpu"), ("cuda:1", 2, "cuda:1"), ("cuda", 1, "cuda")],
)
def test_a_device_that_is_there(monkeypatch, name, count, result):
    monkeypatch.setattr("torch.cuda.is_available", lambda: count > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    assert usable_device(name) == result


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [("cuda", 0, "sees 0 GPUs"), ("cuda:1", 1, "sees 1 GPUs"), ("tpu", 1, "got 'tpu'"), ("cuda:x", 1, "got 'cuda:x'")],
)
def test_a_device_that_is_not_there(monkeypatch, name, count, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: count > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    with pytest.raises(ValueError, match=message):
        usable_device(name)
