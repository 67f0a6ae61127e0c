"""Contenders that take turns, and how many times as fast one is as another."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from dense_det.analysis.latency import interleaved_ms, median_ratio
from dense_det.speed.apart import Apart


@dataclass(frozen=True)
class Goal:
    """The contender `fast` is to be at least `least` times as fast as `slow`."""

    slow: str
    fast: str
    least: float


@dataclass(frozen=True)
class Race:
    """Attributes:
    title: what all contenders do.
    calls: contender -> its turn; one that is Apart has its process for as long as the race.
    goals: between contenders, of which some may be missing where an engine is not installed.
    repeats: how many times a turn does it.
    """

    title: str
    calls: dict[str, Callable[[], object]]
    goals: tuple[Goal, ...]
    repeats: int = 1


def run_race(race: Race, rounds: int) -> dict:
    """All contenders in turns, A B C A B C ...: a loaded machine slows all of them, one process works at a time.

    Returns:
        {"title", "rounds", "ms": {contender: median, of doing it once}, "goals": [{"slow", "fast", "goal",
        "ratio" (the median over rounds; None where one of both is missing)}]}.
    """
    names = list(race.calls)
    with ExitStack() as processes:
        for call in race.calls.values():
            if isinstance(call, Apart):
                processes.enter_context(call)
        times = interleaved_ms(list(race.calls.values()), rounds, warmup=1)
    return {
        "title": race.title,
        "rounds": rounds,
        "ms": {
            name: statistics.median(own) / race.repeats
            for name, own in zip(names, zip(*times, strict=True), strict=True)
        },
        "goals": [
            {
                "slow": goal.slow,
                "fast": goal.fast,
                "goal": goal.least,
                "ratio": median_ratio(times, names.index(goal.slow), names.index(goal.fast))
                if {goal.slow, goal.fast} <= race.calls.keys()
                else None,
            }
            for goal in race.goals
        ],
    }
