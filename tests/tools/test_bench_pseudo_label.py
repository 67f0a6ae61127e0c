"""tools/bench_pseudo_label.py: where its table goes; what it measures is tested in tests/speed."""

import importlib.util
import json
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "tools" / "bench_pseudo_label.py"
_SPEC = importlib.util.spec_from_file_location("bench_pseudo_label", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


def test_the_page_gets_the_table(tmp_path, monkeypatch, capsys):
    measured = []
    monkeypatch.setattr(tool, "measure_memory", lambda folder, images: measured.append(images) or ROWS)
    monkeypatch.setattr(tool, "PAGE", tmp_path / "memory.md")
    tool.PAGE.write_text("a\n{}\nold\n{}\nb\n".format(*tool.MARKS))
    tool.main(["--images", "50"])
    assert "old" in tool.PAGE.read_text() and "`run` by 1.0" in capsys.readouterr().out
    tool.main(["--write", "--json", str(tmp_path / "rows.json")])
    assert json.loads((tmp_path / "rows.json").read_text())[1] == {"verb": "plan", "entries": 1000, "mib": 12.5}
    page = tool.PAGE.read_text()
    assert "old" not in page and "| 1,000 " in page and page.endswith("b\n") and measured == [50, 1_000_000]


ROWS = [("plan", 100, 10.0), ("plan", 1000, 12.5), ("run", 100, 20.0), ("run", 1000, 21.0)]


def test_fewer_entries_than_points_are_refused(capsys):
    with pytest.raises(SystemExit):
        tool.main(["--images", "9"])
    assert "--images must be at least 10, got 9" in capsys.readouterr().err
