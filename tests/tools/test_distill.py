"""tools/distill.py: the table goes to its place in the README, which is looked for before anything else."""

import importlib.util
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "tools" / "distill.py"
_SPEC = importlib.util.spec_from_file_location("distill_tool", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


class Finished:
    """A distillation that is done: a round a table."""

    def __init__(self, recipe, *others):
        self.recipe = recipe

    def rounds(self, count):
        return iter(range(1, count + 1))

    def table(self, number):
        return f"| table of {number} |"


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A copy of a recipe in a repository of its own."""
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "Distillation", Finished)
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_bytes((_PATH.parents[1] / "configs" / "distill" / "docpages.yaml").read_bytes())
    return Path("mine.yaml")


def test_the_table_is_written(recipe, tmp_path, capsys):
    page = tmp_path / "README.md"
    page.write_text(
        "a\n<!-- table: tools/distill.py mine.yaml --write -->\nold\n<!-- end of mine.yaml -->\n"
        "<!-- table: tools/distill.py other.yaml --write -->\nother\n<!-- end of other.yaml -->\n"
    )
    assert tool.main(["mine.yaml", "--out", "out"]) == 0 and "old" in page.read_text()
    (tmp_path / "out" / "steps.json").write_text('{"teacher": 120.0}')
    assert tool.main([str(recipe.resolve()), "--out", "out", "--write"]) == 0
    begin, table, _, minutes, end, *_ = page.read_text().splitlines()[1:]
    assert (begin, table) == ("<!-- table: tools/distill.py mine.yaml --write -->", "| table of 1 |")
    assert minutes.startswith("Minutes: 2.0 for the teacher. ") and end == "<!-- end of mine.yaml -->"
    assert "other\n" in page.read_text() and "| table of 1 |" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--seeds", "0"), ("--ways", "density"), ("--rounds", "2")])
def test_a_part_of_the_recipe_is_not_the_table(recipe, capsys, words):
    assert tool.main(["mine.yaml", "--out", "out", "--write", *words]) == 2
    assert "--write is for the whole recipe: leave out --ways" in capsys.readouterr().err


def test_no_place_for_it(recipe, tmp_path, capsys):
    (tmp_path / "README.md").write_text("a\n")
    assert tool.main(["mine.yaml", "--out", "out", "--write"]) != 0
    assert "expected the lines <!-- table: tools/distill.py mine.yaml" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
