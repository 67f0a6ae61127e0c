"""tools/bench_speed.py: what it keeps and what it refuses; tables are tested in tests/speed."""

import importlib.util
import json
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "tools" / "bench_speed.py"
_SPEC = importlib.util.spec_from_file_location("bench_speed", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)

ROW = {"title": "a race", "rounds": 4, "ms": {"theirs": 30.0}, "goals": []}
PAGES = "README.md", "docs/speed.md"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The pages of this repository without results; a race that takes no time."""
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "use_threads", lambda threads: None)
    monkeypatch.setattr(tool, "races", lambda args, folder: ["a race"])
    monkeypatch.setattr(tool, "run_race", lambda race, rounds: ROW)
    (tmp_path / "docs").mkdir()
    for page in PAGES:
        (tmp_path / page).write_text((_PATH.parents[1] / page).read_text())
    return tmp_path


def bench(*words: str) -> str:
    return "\n".join(tool.bench(tool.build_parser().parse_args(words)))


def test_a_result_is_printed_and_kept_when_asked_for(root):
    before = {page: (root / page).read_text() for page in PAGES}
    assert "| a race, ms | here |" in bench("--json", str(root / "own.json"))
    assert before == {page: (root / page).read_text() for page in PAGES}
    bench("--write", "--threads", "2")
    assert json.loads((root / "docs/speed.json").read_text())[0]["rows"] == [ROW]
    assert json.loads((root / "own.json").read_text()).keys() == {"cpu", "threads", "torch", "code", "rows"}
    assert "| a race, ms | machine 1 |" in (root / "docs/speed.md").read_text()


def test_a_thread_for_each_cpu_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {1, 3, 5}, raising=False)
    assert tool.build_parser().parse_args([]).threads == 3


def test_pages_without_measuring(root, monkeypatch):
    bench("--write", "--threads", "2")
    written = (root / "docs/speed.md").read_text()
    (root / "docs/speed.md").write_text(written.replace("a race, ms", "a typed line"))
    monkeypatch.setattr(tool, "races", None)
    bench("--pages")
    assert (root / "docs/speed.md").read_text() == written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rounds", "0"], "at least 1: 512, 0"),
        (["--size", "320", "--write"], "--write is for 512 px"),
        (["--write"], "no results of tools/bench_speed.py"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_measured(words, message, root, monkeypatch):
    (root / "docs/speed.json").write_text("{}")
    monkeypatch.setattr(tool, "races", None)
    with pytest.raises(ValueError, match=message):
        bench(*words)
