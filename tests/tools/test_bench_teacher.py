"""tools/bench_teacher.py: rows and table of what it measures."""

import importlib.util
import json
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "tools" / "bench_teacher.py"
_SPEC = importlib.util.spec_from_file_location("bench_teacher", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


def test_the_page_and_the_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "PAGE", tmp_path / "speed.md")
    monkeypatch.setattr(
        tool, "measure_teacher", lambda *args: ([[9, 5, 1, 1, 1, 1, 3, 1, 0.5, 0.5, 0.5, 0.5]] * 3, 0.01)
    )
    tool.PAGE.write_text("a\n{}\nold\n{}\nb\n".format(*tool.MARKS))
    tool.main(["--write", "--json", str(tmp_path / "rows.json")])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| retina_snet with BN"))
    assert line.split("|")[2:] == [*(f" {x} " for x in ("9.0 / 3.0", "5.0 / 1.0")), *line.split("|")[4:]]
    assert line.endswith("|        3.00 x |            0.0100 |") and line in tool.PAGE.read_text()
    assert "old" not in tool.PAGE.read_text()
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["teacher"] for row in rows] == ["retina_snet", "retina_snet with BN", "retina_vovnet_19_slim"]
    assert rows[0]["ours_ms"] == [3, 1, 0.5, 0.5, 0.5, 0.5] and rows[0]["ratio"] == 3


def test_what_it_measures(monkeypatch, capsys):
    monkeypatch.setattr(tool, "ROWS", tool.ROWS[:1])
    tool.main(["--size", "200", "160", "--edge", "64", "--rounds", "1"])
    *_, row, _, note = capsys.readouterr().out.splitlines()
    assert row.startswith("| retina_snet ") and row.count("|") == 10 and float(row.split("|")[-2]) <= 0.02
    assert note.endswith("JPEG of 200 x 160 at 64, 1 rounds.")


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--edge", "0"], ["--size", "200", "-1"]])
def test_numbers_below_1_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        tool.main(words)
    assert f"{words[0]} must be positive, got" in capsys.readouterr().err
