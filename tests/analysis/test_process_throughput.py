"""Processes against threads; the processes of these tests do not detect anything, but they are real ones."""

import time
from functools import partial

import pytest

from dense_det.analysis.process_throughput import images_per_second, settings_for, throughput_table

SLEEP = partial(partial, time.sleep, 0.002)  # importable where the test's module is not


def test_settings():
    assert settings_for(1) == [(1, 1)]
    assert settings_for(2) == [(1, 1), (1, 2), (2, 1)]
    assert settings_for(6) == [(1, 1), (1, 6), (2, 3), (4, 1)]
    # no more than eight networks in memory
    assert settings_for(64)[-1] == (8, 8)


def test_two_processes_do_more_than_none():
    rates = images_per_second(SLEEP, [(1, 1), (2, 1)], seconds=0.6)
    assert all(0 < rate <= 2 / 0.002 for rate in rates.values())


def test_what_does_not_start_is_an_error():
    with pytest.raises(ValueError, match="1 processes did not start within 1 s"):
        images_per_second(partial(time.sleep, 60), [(1, 1)], seconds=1, seconds_to_start=1)


def test_what_breaks_is_an_error():
    with pytest.raises(ValueError, match="did not start"):
        images_per_second(partial(int, "x"), [(1, 1)], seconds=1)


def test_a_table_by_hand():
    table = throughput_table({"a": {(1, 1): 4.0, (1, 2): 6.0, (2, 1): None}})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert cells[0] == ["images a second", "1 x 1", "1 x 2", "2 x 1"]
    assert cells[2:] == [["a", "4.00", "6.00", "-"], ["", "x 1.00", "x 1.50", "-"]]
