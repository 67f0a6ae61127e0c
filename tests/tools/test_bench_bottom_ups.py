"""tools/bench_bottom_ups.py: who takes part and where the table goes; how they are timed is tested in tests/speed."""

import importlib.util
import json
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "tools" / "bench_bottom_ups.py"
_SPEC = importlib.util.spec_from_file_location("bench_bottom_ups", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def page(monkeypatch, tmp_path):
    """A README; contenders are their names and classes, and each takes 1 ms."""
    page = tmp_path / "README.md"
    page.write_text("\n".join(tool.MARKS))

    def take_turns(contenders, rounds, folder):
        rows = [{"name": f"{name}/{classes}", "size": [240, 320], "params": 1e6, "gmacs": 0.5, "megabytes": {},
                 "ms": {"torch": 1.0}} for name, classes in contenders]  # fmt: skip
        return {"rounds": rounds, "peak_gflops": 30.0, "rows": rows}

    monkeypatch.setattr(tool, "build_contender", lambda name, config, words, classes, *_: (name, classes))
    monkeypatch.setattr(tool, "time_contenders", take_turns)
    monkeypatch.setattr(tool, "use_threads", lambda number: None)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    return page


def test_all_bottom_ups_of_id_documents_are_compared_and_written(page, tmp_path):
    assert tool.main(["--rounds", "3", "--threads", "1", "--json", str(tmp_path / "out.json"), "--write"]) == 0
    names = [row["name"] for row in json.loads((tmp_path / "out.json").read_text())["rows"]]
    assert "snet_idcards/5" in names and "resnet50_idcards/5" in names and len(names) == 9
    assert "snet_idcards/5" in page.read_text() and "medians of 3 rounds" in page.read_text()


def test_some_are_printed_alone(page, capsys):
    assert tool.main(["snet_docpages", "--classes", "3"]) == 0
    assert "snet_docpages/3" in capsys.readouterr().out and page.read_text() == "\n".join(tool.MARKS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["snet_idcards", "snet_docpages"], "snet_docpages is not made with"),
        (["snet_idcard"], "did you mean 'snet_idcards'"),
        (["--rounds", "0"], "at least 1: 5, 0, 1"),
    ],
)
def test_what_is_wrong_is_said(page, capsys, words, message):
    assert tool.main(words) == 2 and message in capsys.readouterr().err
