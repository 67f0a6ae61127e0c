"""Ratios by hand: contenders that take as long as a clock says."""

import pytest

from dense_det.analysis import latency
from dense_det.speed.apart import Apart
from dense_det.speed.race import Goal, Race, run_race

GOALS = (Goal("slow", "fast", 3), Goal("slow", "even faster, not here", 9))


@pytest.fixture
def row(monkeypatch):
    """A race whose calls do it twice: the slow one takes 40, 60, 80 ms, the fast one 10, 30, 20, after a warm-up."""
    now, waits = [0.0], iter([9.0, 9.0, 0.04, 0.01, 0.06, 0.03, 0.08, 0.02])

    def wait():
        now[0] += next(waits)

    monkeypatch.setattr(latency.interleaved_ms, "__defaults__", (2, lambda: now[0]))
    return run_race(Race("to wait", {"slow": wait, "fast": wait}, GOALS, repeats=2), 3)


def test_medians_and_the_median_of_ratios(row):
    assert row["rounds"] == 3 and row["ms"] == pytest.approx({"slow": 30, "fast": 10})
    goal, missing = row["goals"]
    assert missing["ratio"] is None
    # 4, 2 and 4 times: not 30 / 10
    assert goal == {"slow": "slow", "fast": "fast", "goal": 3, "ratio": pytest.approx(4)}


def test_processes_live_as_long_as_the_race(monkeypatch):
    seen = []
    monkeypatch.setattr(Apart, "__enter__", lambda self: seen.append("begins"))
    monkeypatch.setattr(Apart, "__exit__", lambda self, *error: seen.append("ends"))
    monkeypatch.setattr(Apart, "__call__", lambda self: seen.append("its turn"))
    run_race(Race("to wait", {"apart": Apart(int, False), "here": lambda: seen.append("ours")}, ()), 1)
    assert seen == ["begins", "its turn", "ours", "its turn", "ours", "ends"]
