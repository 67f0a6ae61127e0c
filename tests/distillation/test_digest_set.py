"""The set on disk behaves as Python's own, and says what is wrong with the disk."""

import hashlib
import os
import resource
import signal
from pathlib import Path

import pytest

from dense_det.distillation.digest_set import DigestSet


def test_by_hand(tmp_path):
    with DigestSet(tmp_path / "a set ?#%.db") as digests:
        assert digests.add(b"a" * 32) and not digests.add(b"a" * 32)
        assert digests.add(bytes(32)) and not digests.add(bytes(32)) and not digests.add(b"a" * 32)
        assert digests.add(b"a" * 15 + b"b" * 17)
    assert [path.name for path in tmp_path.iterdir()] == ["a set ?#%.db"]


def test_names_that_are_no_address(tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9 %41#?")
    odd.mkdir()
    for path in (odd / "seen.db", Path(f"/{tmp_path}") / "seen.db"):  # the second begins with //
        with DigestSet(path) as digests:
            assert digests.add(b"a" * 32) and path.exists()


def test_as_pythons_own(tmp_path):
    own = set()
    with DigestSet(tmp_path / "seen.db") as digests:
        for number in range(3000):
            digest = hashlib.sha256(str(number % 2000).encode()).digest()
            assert digests.add(digest) == (digest not in own)
            own.add(digest)
    assert len(own) == 2000


def test_a_disk_that_does_not_take_it(tmp_path):
    with pytest.raises(OSError, match="nowhere.*unable to open"):
        DigestSet(tmp_path / "nowhere" / "seen.db")


def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("dense_det.distillation.digest_set._CACHE_KIB", 16)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, hard))
    try:
        message = r"seen.db: .*(full|disk).*run the same again"
        with DigestSet(tmp_path / "seen.db") as digests, pytest.raises(OSError, match=message):
            for number in range(20_000):
                digests.add(hashlib.sha256(str(number).encode()).digest())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
