"""Results of several machines in one file, and their tables by hand."""

import json

import pytest

from dense_det.speed.machines import goal_table, keep_result, race_tables, summary


def result(cpu: str, ratio: float | None, threads: int = 2, ms: float = 10.0) -> dict:
    goal = {"slow": "theirs", "fast": "ours", "goal": 2.5, "ratio": ratio}
    rows = [{"title": "to read", "rounds": 4, "ms": {"theirs": 30.0, "ours": ms}, "goals": [goal]}]
    return {"cpu": cpu, "threads": threads, "torch": "2.0", "code": "0123456789abcdef-dirty", "rows": rows}


def test_a_result_replaces_that_of_its_machine_alone(tmp_path):
    file = tmp_path / "speed.json"
    for each in (result("A", 1.0), result("B", 2.0), result("A", 3.0, threads=1)):
        keep_result(file, each)
    kept = keep_result(file, result("A", 4.0))
    assert kept == [result("A", 4.0), result("A", 3.0, threads=1), result("B", 2.0)] == json.loads(file.read_text())


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"cpu": "A"}]', "3"])
def test_another_file_is_left_as_it_is(content, tmp_path):
    file = tmp_path / "speed.json"
    file.write_text(content)
    with pytest.raises(ValueError, match="no results of tools/bench_speed.py"):
        keep_result(file, result("A", 1.0))
    assert file.read_text() == content


def test_tables_have_a_column_for_each_machine():
    both = [result("A", 3.04), result("B", None, ms=20.0)]
    both[1]["rows"][0]["ms"] |= {"theirs, prepared": 25.0}
    both[1]["rows"].append({"title": "to write", "rounds": 4, "ms": {"theirs": 5.0}, "goals": []})
    assert goal_table(both).splitlines() == [
        "| times as fast       | machine 1 | machine 2 |  goal |",
        "| ------------------- | --------: | --------: | ----: |",
        "| **to read**         |           |           |       |",
        "| ours against theirs |     3.0 x |         - | 2.5 x |",
    ]
    reading, writing = race_tables(both)
    assert reading.splitlines()[2:] == [
        "| theirs           |      30.0 |      30.0 |",
        "| ours             |      10.0 |      20.0 |",
        "| theirs, prepared |         - |      25.0 |",
    ]
    assert writing.splitlines()[2:] == ["| theirs       |         - |      5.00 |"]
    assert (
        summary(both).splitlines()[6]
        == "- machine 2: B, 2 thread(s), torch 2.0, 4 rounds, commit 012345678 with changes"
    )
