"""tools/quote_run.py: a run's figures, printed and put into a page."""

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[2] / "tools" / "quote_run.py"
_SPEC = importlib.util.spec_from_file_location("quote_run", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


def test_a_page_gets_the_figures_between_its_lines(tmp_path, monkeypatch, capsys):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- run: mine -->\nold\n<!-- end of run mine -->\nb\n")
    monkeypatch.setattr(tool, "PAGE", page)
    monkeypatch.setattr(tool, "quote_run", lambda run: f"figures of {run}")
    assert tool.main(["output/mine", "--write", "mine"]) == 0
    assert page.read_text() == "a\n<!-- run: mine -->\nfigures of output/mine\n<!-- end of run mine -->\nb\n"
    assert capsys.readouterr().out == "figures of output/mine\n"


def test_a_name_without_a_place_and_a_folder_without_a_run_are_told(tmp_path, monkeypatch, capsys):
    assert tool.main([str(tmp_path)]) == 2
    assert "expected run.json and evaluation/metrics.json" in capsys.readouterr().err
    monkeypatch.setattr(tool, "quote_run", lambda run: "figures")
    assert tool.main([str(tmp_path), "--write", "nobody"]) == 2
    assert "expected the lines <!-- run: nobody -->" in capsys.readouterr().err
