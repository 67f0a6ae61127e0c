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
PLACES = {name: getattr(tool, name) for name in ("MARKS", "NARROW", "ONE_CORE")}


@pytest.mark.parametrize(
    ("threads", "flags", "place", "in_readme"),
    [
        (2, {"avx2", "avx512f"}, "MARKS", True),
        (2, {"avx2"}, "NARROW", False),
        (1, {"avx2", "avx512f"}, "ONE_CORE", False),
        (1, {"avx2"}, "ONE_CORE", False),
    ],
)
def test_a_table_goes_where_its_machine_belongs(threads, flags, place, in_readme, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "use_threads", lambda threads: None)
    monkeypatch.setattr(tool, "races", lambda args, folder: ["a race"])
    monkeypatch.setattr(tool, "run_race", lambda race, rounds: ROW)
    monkeypatch.setattr(tool, "cpu_flags", lambda: frozenset(flags))
    (tmp_path / "docs").mkdir()
    page, readme = tmp_path / "docs" / "speed.md", tmp_path / "README.md"
    page.write_text("".join("{}\nold\n{}\n".format(*marks) for marks in PLACES.values()))
    readme.write_text("{}\nold\n{}\n".format(*tool.MARKS))
    list(tool.bench(tool.build_parser().parse_args(["--threads", str(threads), "--write"])))
    begin, end = PLACES[place]
    written = page.read_text().partition(begin)[2].partition(end)[0]
    assert "ours against theirs" in written and "4 rounds" in written
    assert page.read_text().count("old") == 2
    assert ("old" not in readme.read_text()) == in_readme
