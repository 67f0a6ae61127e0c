"""tools/measure_zoo.py: what is shipped is measured, and written where --write says so; how is tested in tests/zoo."""

import importlib.util
import json
from pathlib import Path

import pytest

from dense_det.steps import StepFailed
from dense_det.zoo import table

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("measure_zoo", ROOT / "tools" / "measure_zoo.py")
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def shipped(monkeypatch, tmp_path):
    """A folder with two shipped rows and a page for the table, which is the working directory."""

    def again(self, name, entry, source, row, judged):
        row = row | ({} if judged else {"times": "alone"})
        (self.measured / name).mkdir(parents=True, exist_ok=True)
        (self.measured / name / "row.json").write_text(json.dumps(row | {"ms": 2}))

    def together(self, entries):
        rows = {name: json.loads((self.measured / name / "row.json").read_text()) | {"ms": 3} for name in entries}
        for name, row in rows.items():
            (self.measured / name / "row.json").write_text(json.dumps(row))
        return rows

    for name in ("snet_idcards", "mobilenetv2_idcards"):
        (tmp_path / "zoo" / name).mkdir(parents=True)
        (tmp_path / "zoo" / name / "row.json").write_text(json.dumps({"name": name, "ms": 1}))
        (tmp_path / "zoo" / name / "model.safetensors").touch()
    (tmp_path / "README.md").write_text("<!-- zoo -->\n<!-- /zoo -->\n")
    monkeypatch.setattr(tool.Making, "again", again)
    monkeypatch.setattr(tool.Making, "together", together)
    monkeypatch.setattr(table, "zoo_table", lambda rows: " ".join(f"{row['name']}:{row['ms']}" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measure(*words):
    return tool.main([*words, "--out", "out", "--list", str(ROOT / "configs" / "zoo.yaml")])


def test_some_are_measured_and_the_others_stay_in_the_table(shipped, capsys):
    assert measure("mobilenetv2_idcards") == 0
    assert capsys.readouterr().out.strip() == "snet_idcards:1 mobilenetv2_idcards:3"
    assert (shipped / "README.md").read_text() == "<!-- zoo -->\n<!-- /zoo -->\n"
    assert json.loads((shipped / "zoo" / "mobilenetv2_idcards" / "row.json").read_text())["ms"] == 1


def test_all_are_measured_and_written(shipped):
    assert measure("--write") == 0
    assert "snet_idcards:3 mobilenetv2_idcards:3" in (shipped / "README.md").read_text()
    assert all(json.loads(file.read_text())["ms"] == 3 for file in (shipped / "zoo").glob("*/row.json"))


def test_times_alone_are_asked_for(shipped):
    assert measure("snet_idcards", "--times", "--write") == 0
    assert json.loads((shipped / "zoo" / "snet_idcards" / "row.json").read_text())["times"] == "alone"
    assert measure("snet_idcards", "--write") == 0 and "snet_idcards:3" in (shipped / "README.md").read_text()


def test_what_was_trained_here_and_not_shipped_is_measured_too(shipped):
    trained = shipped / "out" / "resnet50_idcards"
    (trained / "seed7").mkdir(parents=True)
    (trained / "seed7" / "model_best.pth").touch()
    (trained / "row.json").write_text(json.dumps({"name": "resnet50_idcards", "seeds": [7], "ms": 1}))
    assert measure("--write") == 0
    assert "snet_idcards:3 mobilenetv2_idcards:3 resnet50_idcards:3" in (shipped / "README.md").read_text()
    assert json.loads((shipped / "zoo" / "table_only" / "resnet50_idcards" / "row.json").read_text())["ms"] == 3
    assert not (shipped / "zoo" / "resnet50_idcards").exists()


def test_what_was_measured_another_day_is_not_taken_for_new(shipped, capsys):
    assert measure("snet_idcards") == 0
    (shipped / "zoo" / "snet_idcards" / "row.json").write_text(json.dumps({"name": "snet_idcards", "ms": 7}))
    capsys.readouterr()
    assert measure("mobilenetv2_idcards") == 0
    assert capsys.readouterr().out.strip() == "snet_idcards:7 mobilenetv2_idcards:3"


def test_a_row_that_fails_does_not_end_the_others(shipped, monkeypatch, capsys):
    again = tool.Making.again

    def fails(self, name, *words, **options):
        if name == "snet_idcards":
            raise StepFailed("snet_idcards-onnx ended with code 1")
        again(self, name, *words, **options)

    monkeypatch.setattr(tool.Making, "again", fails)
    assert measure("--write") == 2
    assert "snet_idcards-onnx ended with code 1" in capsys.readouterr().err
    assert "snet_idcards:1 mobilenetv2_idcards:3" in (shipped / "README.md").read_text()


def test_steps_share_the_cpus_that_this_process_may_use(shipped, monkeypatch):
    asked = []
    steps = tool.Steps
    monkeypatch.setattr(tool, "Steps", lambda *words: asked.append(words[-1]) or steps(*words))
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {1, 3, 5}, raising=False)
    assert measure("snet_idcards") == 0 and asked == [3]


@pytest.mark.parametrize(("name", "told"), [
    ("resnet50_idcards", "tools/make_zoo.py resnet50_idcards --out out trains it"),
    ("snet_idcard", "no model in the zoo named 'snet_idcard'; did you mean 'snet_idcards'"),
])  # fmt: skip
def test_what_cannot_be_measured_is_answered_and_loses_nothing(shipped, capsys, name, told):
    assert measure("mobilenetv2_idcards") == 0
    assert measure("mobilenetv2_idcards", name) == 2
    assert told in capsys.readouterr().err
    assert (shipped / "out" / "measured" / "mobilenetv2_idcards" / "row.json").is_file()


def test_where_turns_fail_nothing_is_written(shipped, monkeypatch, capsys):
    def fails(self, entries):
        raise StepFailed("all-benchmark ended with code 1")

    monkeypatch.setattr(tool.Making, "together", fails)
    assert measure("--write") == 2
    assert "all-benchmark ended with code 1" in capsys.readouterr().err
    assert all(json.loads(file.read_text())["ms"] == 1 for file in (shipped / "zoo").glob("*/row.json"))
