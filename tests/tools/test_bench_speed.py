"""tools/bench_speed.py: where its tables go."""

import importlib.util
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "tools" / "bench_speed.py"
_SPEC = importlib.util.spec_from_file_location("bench_speed", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)

GOAL = {"slow": "theirs", "fast": "ours", "goal": 2.0, "ratio": 3.0}
ROW = {"title": "a race", "rounds": 4, "ms": {"theirs": 30.0, "ours": 10.0}, "goals": [GOAL]}


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """docs/speed.md and README.md with nothing in their places; a race that takes no time."""
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "use_threads", lambda threads: None)
    monkeypatch.setattr(tool, "races", lambda args, folder: ["a race"])
    monkeypatch.setattr(tool, "run_race", lambda race, rounds: ROW)
    (tmp_path / "docs").mkdir()
    page, readme = tmp_path / "docs" / "speed.md", tmp_path / "README.md"
    page.write_text("{}\nold\n{}\n{}\nold\n{}\n".format(*tool.MARKS, *tool.ONE_CORE))
    readme.write_text("{}\nold\n{}\n".format(*tool.MARKS))
    return page, readme


def bench(*words: str) -> None:
    list(tool.bench(tool.build_parser().parse_args([*words, "--write"])))


def test_several_threads_and_one_have_places_of_their_own(pages):
    page, readme = pages
    bench("--threads", "1")
    assert "old" in readme.read_text() and page.read_text().count("old") == 1
    written = page.read_text().partition(tool.ONE_CORE[0])[2]
    assert "ours against theirs" in written and "4 rounds" in written
    bench("--threads", "2")
    assert "old" not in readme.read_text() + page.read_text() and page.read_text().count("1 thread(s)") == 1


def test_machines_stand_side_by_side(pages, monkeypatch):
    page, readme = pages
    for cpu in ("a Zen", "a Xeon", "a Zen"):
        monkeypatch.setattr(tool, "cpu_name", lambda cpu=cpu: cpu)
        bench("--threads", "2")
    for text in (page.read_text(), readme.read_text()):
        assert text.count("machine 1: a Zen") == text.count("machine 2: a Xeon") == 1 and "machine 3" not in text
