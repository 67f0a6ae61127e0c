"""What was found in files: remembered while they stay as they are; nothing fails for want of memory."""

import os
import sqlite3

import pytest

from dense_det.distillation.inspected_files import InspectedFiles, stamp_of
from dense_det.distillation.inspection import Inspected
from dense_det.distillation.sources import Candidate

FOUND = Inspected(30, 20, b"d" * 32)
ODD = os.fsdecode(b"caf\xe9.jpg")  # no UTF-8


def test_by_hand(tmp_path):
    path = tmp_path / "a.db"
    with InspectedFiles(path, "way") as files:
        assert files.get("a.jpg", (1, 2, 3)) is None
        files.put("a.jpg", (1, 2, 3), FOUND)
        files.put(ODD, (2**40, 2**62, 2**62), FOUND)
    with InspectedFiles(path, "way") as files:
        assert files.get("a.jpg", (1, 2, 3)) == files.get(ODD, (2**40, 2**62, 2**62)) == FOUND
        assert [files.get("a.jpg", stamp) for stamp in ((0, 2, 3), (1, 0, 3), (1, 2, 0))] == [None] * 3
        assert files.get("b.jpg", (1, 2, 3)) is None
        files.put("a.jpg", (4, 5, 6), FOUND)
    with InspectedFiles(path, "way") as files, InspectedFiles(path, "another") as others:
        assert files.get("a.jpg", (1, 2, 3)) is None and files.get("a.jpg", (4, 5, 6)) == FOUND
        assert others.get("a.jpg", (4, 5, 6)) is None


def test_much_of_it_outlives_kill(tmp_path):
    files = InspectedFiles(tmp_path / "a.db", "")  # never left
    for number in range(600):
        files.put(f"{number}.jpg", (1, 2, 3), FOUND)
    with InspectedFiles(tmp_path / "a.db", "") as others:
        assert [others.get(f"{number}.jpg", (1, 2, 3)) for number in (0, 511, 512)] == [FOUND, FOUND, None]


def test_nothing_new_makes_no_file(tmp_path):
    with InspectedFiles(tmp_path / "a.db", ""):
        pass
    assert not any(tmp_path.iterdir())


def test_what_is_no_memory_is_made_anew(tmp_path, caplog):
    path = tmp_path / "a.db"
    path.write_bytes(b"no database" * 1000)
    with InspectedFiles(path, "") as files:
        files.put("a.jpg", (1, 2, 3), FOUND)
    with InspectedFiles(path, "") as files:
        assert files.get("a.jpg", (1, 2, 3)) == FOUND
    assert not caplog.records


def test_one_that_cannot_be_had_is_done_without(tmp_path, caplog):
    with InspectedFiles(tmp_path / "nowhere" / "a.db", "") as files:
        files.put("a.jpg", (1, 2, 3), FOUND)
    assert "nowhere/a.db: unable to open database file: the next plan will read all files again" in caplog.text


@pytest.mark.parametrize("table", ["CREATE TABLE files (name BLOB)", "CREATE VIEW files AS SELECT 1"])
def test_another_table(tmp_path, caplog, table):
    with sqlite3.connect(tmp_path / "a.db") as file:
        file.execute(table)
    with InspectedFiles(tmp_path / "a.db", "") as files:
        assert files.get("a.jpg", (1, 2, 3)) is None
        files.put("a.jpg", (1, 2, 3), FOUND)
    assert "will read all files again" in caplog.text


def test_stamps(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"12345")
    status = path.stat()
    assert stamp_of(Candidate(str(path))) == (5, status.st_mtime_ns, status.st_ctime_ns)
    others = (
        Candidate(str(path), other=True), Candidate(str(path), reason="odd"), Candidate(str(path), "a", content=b""),
        Candidate(str(path), page=0, size=(3, 4), sha256="00"), Candidate(str(tmp_path)), Candidate("a\0b"),
        Candidate(str(tmp_path / "b.jpg")),
    )  # fmt: skip
    assert [stamp_of(candidate) for candidate in others] == [None] * 7
