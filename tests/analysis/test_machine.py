import pytest
import torch

from dense_det.analysis import machine
from dense_det.analysis.machine import Limits, Probe, chip_name, limits_of, make_probes, usable_device, use_device


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


def test_the_chip_is_that_of_the_device(monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"GPU of {device}")
    monkeypatch.setattr(machine, "cpu_name", lambda: "a Zen")
    assert [chip_name(device) for device in ("cpu", "cuda", "cuda:1")] == ["a Zen", "GPU of cuda", "GPU of cuda:1"]


@pytest.mark.parametrize(("name", "current"), [("cuda:1", ["cuda:1"]), ("cuda", []), (None, []), ("cpu", [])])
def test_a_certain_gpu_becomes_the_current_one(monkeypatch, name, current):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    chosen = []
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    assert use_device(name) == (name or "cuda") and chosen == current
