"""tools/make_zoo.py: rows that fail and rows that do not; how a row is made is tested in tests/zoo."""

import importlib.util
import json
from pathlib import Path

import pytest

from dense_det.folder_lock import FolderLock
from dense_det.steps import StepFailed
from dense_det.zoo import table

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("make_zoo", ROOT / "tools" / "make_zoo.py")
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def rows(monkeypatch):
    """Making.row gives, and finished_row finds, what is put in here; a name that is not in it fails."""
    made = {}

    def row(self, name, entry):
        if name not in made:
            raise StepFailed(f"{name}-seed0 ended with code 1")
        return made[name]

    monkeypatch.setattr(tool.Making, "train", lambda self, entries: None)
    monkeypatch.setattr(tool.Making, "row", row)
    monkeypatch.setattr(
        table, "finished_row", lambda folder: made.get(folder.name) if tool.SHIPPED not in folder.parents else None
    )
    monkeypatch.setattr(table, "zoo_table", lambda rows: f"| {' '.join(row['name'] for row in rows)} |")
    monkeypatch.chdir(ROOT)
    return made


def test_a_row_that_fails_leaves_the_others(rows, tmp_path, capsys):
    rows |= {name: {"name": name} for name in ("snet_idcards", "resnet50_idcards")}
    assert tool.main(["resnet18_idcards", "snet_idcards", "--out", str(tmp_path)]) == 2
    assert "resnet18_idcards-seed0 ended with code 1" in capsys.readouterr().err
    # all that is finished, in the order of the list
    assert (tmp_path / "table.md").read_text() == "| snet_idcards resnet50_idcards |\n" and (
        tmp_path / "table.json"
    ).is_file()


def test_only_small_ones_are_shipped(rows, tmp_path, monkeypatch):
    shipped, given = [], tmp_path / "given"
    monkeypatch.setattr(tool, "ship", lambda row, entry, made, out, steps: shipped.append((row["name"], made, out)))
    rows |= {name: {"name": name} for name in ("snet_idcards", "resnet50_idcards")}
    assert tool.main(["snet_idcards", "resnet50_idcards", "--out", str(tmp_path), "--ship", str(given)]) == 0
    assert shipped == [("snet_idcards", tmp_path / "snet_idcards", given)]
    row = json.loads((given / "table_only" / "resnet50_idcards" / "row.json").read_text())
    assert row == {"name": "resnet50_idcards"}


def test_steps_share_the_cpus_that_this_process_may_use(rows, tmp_path, monkeypatch):
    asked = []
    steps = tool.Steps
    monkeypatch.setattr(tool, "Steps", lambda *words: asked.append(words[-1]) or steps(*words))
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {1, 3, 5}, raising=False)
    rows["snet_idcards"] = {"name": "snet_idcards"}
    assert tool.main(["snet_idcards", "--out", str(tmp_path)]) == 0 and asked == [3]


def test_what_is_typed_wrong_is_answered(rows, tmp_path, capsys):
    assert tool.main(["sneet_idcards", "--out", str(tmp_path)]) == 2
    assert "did you mean 'snet_idcards'" in capsys.readouterr().err
    assert tool.main(["--out", str(tmp_path), "--seeds", "1", "1"]) == 2
    assert "--seeds are different" in capsys.readouterr().err


def test_a_folder_is_made_by_one_at_a_time(rows, tmp_path, capsys):
    lock = FolderLock(tmp_path)
    assert tool.main(["snet_idcards", "--out", str(tmp_path)]) == 2
    assert f"error: {tmp_path}: at work here is" in capsys.readouterr().err
    lock.release()
    rows["snet_idcards"] = {"name": "snet_idcards"}
    assert tool.main(["snet_idcards", "--out", str(tmp_path)]) == 0


def test_the_table_has_shipped_rows_too(rows, tmp_path, monkeypatch):
    """Of the folders in zoo/, unless the row has been made anew."""
    there = {
        tmp_path / "snet_idcards": "new",
        tool.SHIPPED / "snet_idcards": "old",
        tool.SHIPPED / "peleenet_idcards": "p",
        tool.SHIPPED / "table_only" / "resnet50_idcards": "r",
    }
    rows["snet_idcards"] = {"name": "new"}
    monkeypatch.setattr(table, "finished_row", lambda folder: {"name": there[folder]} if folder in there else None)
    assert tool.main(["snet_idcards", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "table.md").read_text() == "| new p r |\n"
