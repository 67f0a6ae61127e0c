import pytest
import torch
from torch import nn

from dense_det.analysis.blame import Faults
from dense_det.analysis.machine import Probe
from dense_det.analysis.part_latency import MIN_ROUNDS, Subject, latency_row, latency_table, take_times

PROBES = {"gemm": Probe(lambda: None, 4e8), "conv": Probe(lambda: None, 2e8), "copy": Probe(lambda: None, 1e8)}


class Source:
    """Tells its diary what it does."""

    def __init__(self, diary):
        self.diary = diary

    def decode(self):
        self.diary.append("decode")
        return "picture"

    def resize(self, picture):
        self.diary.append("resize")
        return {"image": picture}


class Detector(nn.Module):
    def __init__(self, diary, name):
        super().__init__()
        self.backbone, self.diary, self.name = nn.Identity(), diary, name

    def forward(self, records):
        self.diary.append(f"{self.name} {len(records)}")
        self.backbone(torch.zeros(1))


def subject(diary, name="a", dtype=None):
    costs = {"gmacs_bottom_up": 0.1, "traffic_bottom_up": 5e6, "gmacs_masks": 1.0}
    return Subject(name, Detector(diary, name), Source(diary), costs, dtype)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is one second later each time that somebody looks."""
    ticks = iter(range(10**6))
    monkeypatch.setattr("time.monotonic", lambda: next(ticks))


def test_subjects_and_probes_take_turns(clock):
    diary = []
    probe = Probe(lambda: diary.append("probe"), 1.0)
    subjects = [subject(diary, "a"), subject(diary, "b")]
    limits = take_times(subjects, {"gemm": probe}, "cpu", batch=2, seconds=100, faults=Faults(), max_rounds=3)
    a_round = [word for name in "ab" for word in ("decode", "decode", "resize", "resize", f"{name} 2")]
    assert diary == [*a_round, "probe"] * 4
    # the first warms up
    assert [len(each.times) for each in subjects] == [3, 3] and len(limits) == 3
    assert list(subjects[0].times[0]) == ["decode", "resize", "prepare", "bottom_up", "post"]


@pytest.mark.parametrize(("seconds", "rounds"), [(5, 5), (2.5, MIN_ROUNDS), (1.1, 2), (0.5, 2), (0.3, 1)])
def test_rounds_end_with_the_time(clock, seconds, rounds):
    each = subject([])
    take_times([each], PROBES, "cpu", batch=1, seconds=seconds, faults=Faults())
    assert len(each.times) == rounds


@pytest.mark.parametrize("at", [0, 2])
def test_who_fails_is_left_out_and_the_others_go_on(clock, at):
    diary, faults = [], Faults()
    good, bad = subject(diary, "a"), subject(diary, "b")

    def fail(*_):
        if diary.count("b 1") > at:
            raise torch.OutOfMemoryError("no memory\nleft")

    bad.model.backbone.register_forward_hook(fail)
    limits = take_times([bad, good], PROBES, "cpu", batch=1, seconds=100, faults=faults, max_rounds=4)
    assert len(good.times) == len(limits) == 4
    assert list(faults.reasons) == ["b"] and "OutOfMemoryError: no memory left" in faults.reasons["b"]
    assert diary.count("b 1") == at + 1


def test_nobody_runs(clock):
    each, faults = subject([]), Faults()
    each.model.backbone.register_forward_hook(lambda *_: torch.zeros(2) @ torch.zeros(3))
    assert take_times([each], PROBES, "cpu", batch=1, seconds=100, faults=faults) == [] and "a" in faults.reasons


def test_a_row_by_hand():
    each = subject([])
    each.times = [
        {"decode": 2.0, "prepare": 1.0, "bottom_up": ms, "masks": 7.0, "post": 0.0} for ms in (8.0, 10.0, 30.0)
    ]
    # 4e8 in 2 ms are 200 GFLOP/s, more than 2e8 in 2 ms; 1e8 bytes in 10 ms are 10 GB/s
    row = latency_row(each, PROBES, [{"gemm": 2.0, "conv": 2.0, "copy": 10.0}] * 3, batch=1)
    assert (row["rounds"], row["latency_ms"], row["network_ms"]) == (3, 20.0, 18.0)
    assert row["latency_p95_ms"] == pytest.approx(20 + 0.9 * 20)
    assert (row["peak_gflops"], row["peak_gbytes"]) == pytest.approx((200, 10))
    assert list(row["parts"]) == ["decode", "prepare", "bottom_up", "masks", "post"]
    # 0.1 GMACs in 10 ms; 5 million numbers of 4 bytes: memory allows 10 operations a byte 100 GFLOP/s
    bottom_up = {
        "ms": 10, "p95_ms": 28, "percent": 100 * 16 / 26, "gflops": 20, "percent_of_peak": 10,
        "flop_per_byte": 10, "percent_of_roof": 20,
    }  # fmt: skip
    assert row["parts"]["bottom_up"] == pytest.approx(bottom_up)
    # how many boxes have masks is not known before
    assert set(row["parts"]["masks"]) == {"ms", "p95_ms", "percent"}
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in latency_table([row]).splitlines()]
    assert cells[4] == ["a: bottom-up", "10.0", "28.0", "61.5", "20.0", "10.0", "10.0", "20.0"]
    assert cells[5][:5] == ["a: masks", "7.00", "7.00", "26.9", "-"] and cells[-1][:2] == ["a: all", "20.0"]


def test_costs_are_of_the_batch_and_half_precision_moves_less():
    limits = [{"gemm": 2.0, "conv": 2.0, "copy": 10.0}]
    batch, half = subject([]), subject([], dtype=torch.bfloat16)
    batch.times = half.times = [{"bottom_up": 10.0}]
    bottom_up = latency_row(batch, PROBES, limits, batch=3)["parts"]["bottom_up"]
    assert (bottom_up["gflops"], bottom_up["flop_per_byte"]) == pytest.approx((20, 10))
    assert latency_row(half, PROBES, limits, batch=1)["parts"]["bottom_up"]["flop_per_byte"] == pytest.approx(20)
