"""Processes against threads: one real process, which takes seconds to start; elsewhere threads play their part."""

import multiprocessing
import threading
import time
from functools import partial

import pytest

from dense_det.analysis import process_throughput
from dense_det.analysis.process_throughput import images_per_second, settings_for, throughput_table

# importable where the test's module is not
SLEEP = partial(partial, time.sleep, 0.002)


class Thread(threading.Thread):
    def kill(self):
        """A closed pipe ends it."""

    def join(self):
        pass


class End:
    """A thread's end of a pipe; its creator, who closes a process's copy, shares it."""

    def __init__(self, connection):
        self.send, self.recv = connection.send, connection.recv

    def close(self):
        pass


class Threads:
    """multiprocessing's context, in one process."""

    Process = Thread

    @staticmethod
    def Pipe():
        ours, theirs = multiprocessing.Pipe()
        return ours, End(theirs)


@pytest.fixture
def threads(monkeypatch):
    """The numbers of threads that were set, one after the other."""
    numbers = []
    monkeypatch.setattr("torch.set_num_threads", numbers.append)
    monkeypatch.setattr("multiprocessing.get_context", lambda method: {"spawn": Threads}[method])
    return numbers


def test_settings():
    assert settings_for(1) == [(1, 1)]
    assert settings_for(2) == [(1, 1), (1, 2), (2, 1)]
    assert settings_for(3) == [(1, 1), (1, 3), (3, 1)]
    assert settings_for(6) == [(1, 1), (1, 6), (2, 3), (3, 2), (6, 1)]
    assert settings_for(7) == [(1, 1), (1, 7), (7, 1)]
    # no more than eight networks in memory
    assert settings_for(12) == [(1, 1), (1, 12), (2, 6), (3, 4), (4, 3), (6, 2)]
    assert settings_for(64)[-1] == (8, 8)


@pytest.mark.parametrize("num_cores", range(1, 33))
def test_no_core_is_idle(num_cores):
    assert all(processes * threads == num_cores for processes, threads in settings_for(num_cores)[1:])


def test_a_real_process():
    rates = images_per_second(SLEEP, [(1, 1)], seconds=0.3)
    assert 0 < rates[1, 1] <= 1 / 0.002


def test_settings_take_turns(threads):
    rates = images_per_second(SLEEP, [(1, 4), (2, 3)], seconds=0.3)
    assert threads == [4, 3, 3] * 3
    assert 0 < rates[1, 4] <= 1 / 0.002 and 0 < rates[2, 3] <= 2 / 0.002


class Compiled:
    """Takes a tenth of a second for the first image with each number of threads."""

    def __init__(self, numbers):
        self.numbers, self.known = numbers, set()

    def __call__(self):
        number = self.numbers[-1] if self.numbers else None
        time.sleep(0.001 if number in self.known else 0.1)
        self.known.add(number)


def test_what_compiles_for_a_number_of_threads_is_not_timed(threads, monkeypatch):
    monkeypatch.setattr(process_throughput, "NUM_ROUNDS", 1)
    rates = images_per_second(lambda: Compiled(threads), [(1, 1), (1, 2)], seconds=0.06)
    assert min(rates.values()) > 20  # a tenth of a second in a window of 30 milliseconds would be ten


def test_what_does_not_get_warm_in_time_has_no_rate(threads):
    def make_run():
        return lambda: threads and threading.Event().wait()  # ready, but never with a number of threads

    assert images_per_second(make_run, [(1, 1), (1, 2)], seconds=0.003, seconds_to_start=0.2)[1, 1] is None
    assert threads == [1]


def test_what_does_not_start_has_no_rate(threads):
    forever = threading.Event().wait
    rates = images_per_second(forever, [(1, 1), (1, 2)], seconds=1, seconds_to_start=0.1)
    assert rates == {(1, 1): None, (1, 2): None} and threads == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_breaks_has_no_rate(threads):
    assert images_per_second(partial(int, "x"), [(1, 1)], 1, seconds_to_start=1) == {(1, 1): None}


def test_a_table_by_hand():
    table = throughput_table({"a": {(1, 1): 4.0, (1, 2): 6.0, (2, 1): None}})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert cells[0] == ["images a second", "1 x 1", "1 x 2", "2 x 1"]
    assert cells[2:] == [["a", "4.00", "6.00", "-"], ["", "x 1.00", "x 1.50", "-"]]
