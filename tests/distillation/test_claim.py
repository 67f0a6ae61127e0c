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


def claim_and_die(shards, images=()):
    with claimed(shards, 0) as own:
        for image in images:
            own.look_at(image)
        os.kill(os.getpid(), signal.SIGKILL)


def die(shards, images=()):
    dead = FORK.Process(target=claim_and_die, args=(shards, images))
    dead.start()
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie


def finish(shards, shard=0):
    shards.predictions(shard).parent.mkdir()
    shards.predictions(shard).touch()


def test_the_dead_are_followed_at_once_and_remembered_until_the_shard_is_finished(tmp_path):
    shards, left = Shards(tmp_path), ["shard-000000.0.json", "shard-000000.1.json"]
    for _ in range(2):
        die(shards)
    assert names(shards) == left
    with claimed(shards, 0) as own:
        assert own.deaths == 2 and len(names(shards)) == 3
    assert names(shards) == left, "stopped before the end"
    with claimed(shards, 0) as own:
        assert own.deaths == 2
        finish(shards)
    assert names(shards) == []


def test_a_claim_says_at_which_image_its_process_died(tmp_path):
    shards = Shards(tmp_path)
    for images in ((), (7,), (7, 8), (7, None), (6, 7)):
        die(shards, images)
    with claimed(shards, 0) as own:
        assert own.deaths == 5 and own.deaths_at == {7: 2, 8: 1}
        own.look_at(7)
    with claimed(shards, 0) as own:
        assert own.deaths_at[7] == 2, "an end of another kind is no death"
        finish(shards)
    assert names(shards) == []


def test_who_gave_up_is_followed_at_once_and_remembered(tmp_path):
    """The same process may go on; no image is to blame."""
    shards = Shards(tmp_path)
    for _ in range(2):
        with claimed(shards, 0) as own:
            own.look_at(7)
            own.give_up()
    assert names(shards) == ["shard-000000.0.json", "shard-000000.1.json"]
    with claimed(shards, 0) as own:
        assert own.deaths == 0 and not own.deaths_at
        own.give_up()
        finish(shards)
    assert names(shards) == [], "somebody else was faster"


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
        assert own.deaths == 1 and not own.deaths_at
        finish(shards)
    assert names(shards) == []
