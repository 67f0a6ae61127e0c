"""Results of several machines in one file, and their tables by hand."""

import json
from pathlib import Path

import pytest

from dense_det.speed import machines

ROOT = Path(__file__).parents[2]


def result(cpu: str, ratio: float | None = 3.0, threads: int = 2, ms: float = 10.0, goal: float = 2.5) -> dict:
    goals = [{"slow": "theirs", "fast": "ours", "goal": goal, "ratio": ratio}]
    rows = [{"title": "to read", "rounds": 4, "ms": {"theirs": 30.0, "ours": ms}, "goals": goals}]
    return {"cpu": cpu, "threads": threads, "torch": "2.0", "code": "0123456789abcdef-dirty", "rows": rows}


@pytest.fixture
def root(tmp_path):
    """A repository with empty places for tables."""
    (tmp_path / "docs").mkdir()
    (tmp_path / machines.PAGE).write_text("{}\nold\n{}\n{}\nold\n{}\n".format(*machines.MARKS, *machines.ONE_CORE))
    (tmp_path / machines.FRONT).write_text("{}\nold\n{}\n".format(*machines.MARKS))
    return tmp_path


def test_a_result_replaces_that_of_its_machine_and_threads_alone(root):
    for each in (result("A", 1.0), result("B", 2.0), result("A", 3.0, threads=1), result("A", 4.0)):
        machines.keep_result(root, each)
    kept = json.loads((root / machines.RESULTS).read_text())
    assert kept == [result("A", 4.0), result("A", 3.0, threads=1), result("B", 2.0)]


def test_one_core_has_a_place_of_its_own(root):
    page, front = root / machines.PAGE, root / machines.FRONT
    machines.keep_result(root, result("A", 3.0, threads=1))
    assert "old" in front.read_text() and page.read_text().count("old") == 1
    assert "3.0 x" in page.read_text().partition(machines.ONE_CORE[0])[2]
    machines.keep_result(root, result("B", 4.0))
    assert "old" not in front.read_text() + page.read_text() and "to read, ms" not in front.read_text()
    assert "machine 1: B" in page.read_text() and "machine 2: A" in page.read_text()


NO_ROWS = json.dumps([result("A") | {"rows": []}])
BROKEN = ["", "{", "{}", '""', "3", "[1]", '[{"cpu": "A"}]', '[{"cpu": "A", "threads": 2}]', NO_ROWS]


@pytest.mark.parametrize("content", BROKEN)
def test_another_file_is_left_as_it_is(content, root):
    (root / machines.RESULTS).write_text(content)
    with pytest.raises(ValueError, match="no results of tools/bench_speed.py"):
        machines.keep_result(root, result("A", 1.0))
    assert (root / machines.RESULTS).read_text() == content


def test_a_page_without_a_place_is_told_before_anything_is_measured(root):
    (root / machines.FRONT).write_text("no place")
    with pytest.raises(ValueError, match="README.md: expected the lines"):
        machines.read_results(root)


def test_a_cpu_with_other_threads_is_the_same_machine():
    results = [result("A", threads=4), result("B", threads=1), result("A"), result("A", threads=1)]
    names = [each["name"] for each in machines.name_machines(results)]
    assert names == ["machine 1, 4 threads", "machine 2", "machine 1, 2 threads", "machine 1"]


def test_tables_have_a_column_for_each_machine():
    both = machines.name_machines([result("A", 3.04), result("B", None, ms=20.0, goal=2.0)])
    both[1]["rows"][0]["ms"] |= {"theirs, prepared": 25.0}
    both[1]["rows"].append({"title": "to write", "rounds": 4, "ms": {"theirs": 5.0}, "goals": []})
    assert machines.goal_table(both).splitlines() == [  # with the goal of the newest
        "| times as fast       | machine 1 | machine 2 |  goal |",
        "| ------------------- | --------: | --------: | ----: |",
        "| **to read**         |           |           |       |",
        "| ours against theirs |     3.0 x |         - | 2.5 x |",
    ]
    reading, writing = machines.race_tables(both)
    assert reading.splitlines()[2:] == [
        "| theirs           |      30.0 |      30.0 |",
        "| ours             |      10.0 |      20.0 |",
        "| theirs, prepared |         - |      25.0 |",
    ]
    assert writing.splitlines()[2:] == ["| theirs       |         - |      5.00 |"]
    last = "- machine 2: B, 2 thread(s), torch 2.0, 4 rounds, commit 012345678 with changes"
    assert machines.summary(both).splitlines()[6] == last


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(2.4658, "2.4 x"), (1.3614, "1.3 x"), (2.5, "2.5 x"), (2.3, "2.3 x"), (2.99999, "2.9 x"), (73, "73.0 x")],
)
def test_what_falls_short_of_a_goal_does_not_read_as_the_goal(ratio, words):
    *_, row = machines.goal_table(machines.name_machines([result("A", ratio)])).splitlines()
    assert [cell.strip() for cell in row.split("|")] == ["", "ours against theirs", words, "2.5 x", ""]
    assert machines.summary(machines.name_machines([result("A")])).endswith("over the rounds, rounded down.")


def test_the_pages_of_this_repository_are_those_of_its_results(root):
    """Otherwise: python tools/bench_speed.py --pages."""
    files = machines.RESULTS, machines.PAGE, machines.FRONT
    for file in files:
        (root / file).write_text((ROOT / file).read_text())
    machines.write_pages(root)
    for file in files:
        assert (root / file).read_text() == (ROOT / file).read_text()
