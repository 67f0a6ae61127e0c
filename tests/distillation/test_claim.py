"""Claims: one at a time, taken over from the dead and the silent, by one only."""

import json
import multiprocessing
import os
import signal
import time

import pytest

from dense_det.distillation import claim
from dense_det.distillation.claim import claimed, process_start
from dense_det.distillation.work_folder import Shards

FORK = multiprocessing.get_context("fork")  # nothing here uses threads, and a new Python takes seconds


def names(shards) -> list[str]:
    return sorted(path.name for path in (shards.root / "claims").iterdir())


def test_one_at_a_time(tmp_path):
    shards = Shards(tmp_path)
    with claimed(shards, 3) as first, claimed(shards, 3) as second, claimed(shards, 4) as other:
        assert first and other and second is None
        assert names(shards) == ["shard-000003.0.json", "shard-000004.0.json"]
        owner = json.loads(shards.claim(3, 0).read_text())
        assert owner["pid"] == os.getpid() and owner["started"] == process_start(os.getpid())
    assert names(shards) == []
    with pytest.raises(RuntimeError), claimed(shards, 3):
        raise RuntimeError
    assert names(shards) == []


def claim_and_die(shards):
    with claimed(shards, 0):
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_dead_are_followed_at_once(tmp_path):
    shards = Shards(tmp_path)
    for _ in range(2):
        dead = FORK.Process(target=claim_and_die, args=(shards,))
        dead.start()
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    assert names(shards) == ["shard-000000.0.json", "shard-000000.1.json"]
    with claimed(shards, 0) as own:
        assert own and len(names(shards)) == 3
    assert names(shards) == []


def test_another_process_with_the_number_of_a_dead_one(tmp_path):
    shards = Shards(tmp_path)
    with claimed(shards, 0):
        owner = json.loads(shards.claim(0, 0).read_text())
        shards.claim(0, 0).write_text(json.dumps(owner | {"started": "1"}))
        with claimed(shards, 0) as second:
            assert second


def test_other_machines_are_followed_when_they_are_silent(tmp_path, monkeypatch):
    shards, machine = Shards(tmp_path), claim._machine()
    monkeypatch.setattr(claim, "_machine", lambda: "another")
    with claimed(shards, 0) as theirs:
        monkeypatch.setattr(claim, "_machine", lambda: machine)
        old = time.time() - claim.SILENCE_SECONDS
        os.utime(shards.claim(0, 0), (old + 60, old + 60))
        with claimed(shards, 0) as own:
            assert own is None
        os.utime(shards.claim(0, 0), (old - 60, old - 60))
        monkeypatch.setattr(claim, "_TOUCH_SECONDS", 0)
        theirs.touch()  # it was only slow
        with claimed(shards, 0) as own:
            assert own is None
        os.utime(shards.claim(0, 0), (old - 60, old - 60))
        with claimed(shards, 0) as own, claimed(shards, 0) as third:
            assert own and third is None
        theirs.touch()  # its file is gone: no harm


@pytest.mark.parametrize("content", ["", '{"machine": "a', "[]", "{}"])
def test_a_claim_that_says_nothing_ages(tmp_path, content):
    shards = Shards(tmp_path)
    shards.claim(0, 0).parent.mkdir()
    shards.claim(0, 0).write_text(content)
    with claimed(shards, 0) as own:
        assert own is None, "its owner may be writing"
    old = time.time() - claim.SILENCE_SECONDS - 60
    os.utime(shards.claim(0, 0), (old, old))
    with claimed(shards, 0) as own:
        assert own
    assert names(shards) == []
