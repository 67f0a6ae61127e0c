"""tools/demo.py: where it writes, and what it says in the end; the steps themselves are tested elsewhere."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("demo_tool", ROOT / "tools" / "demo.py")
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def demo(monkeypatch, capsys):
    """(words) -> what it prints, with steps that run in the repository and leave an evaluation in OUTPUT_DIR alone."""

    def run(command, cwd):
        if "OUTPUT_DIR" in command:
            evaluation = cwd / command[command.index("OUTPUT_DIR") + 1] / "evaluation"
            evaluation.mkdir(parents=True)
            metrics = {"bbox/AP": 5, "bbox/AP50": 6, "bbox/AP75": 7}
            (evaluation / "metrics.json").write_text(json.dumps(metrics))
            (evaluation / "per_class.md").write_text("| class |")
        return subprocess.CompletedProcess(command, 0)

    def main(*words):
        monkeypatch.setattr(tool.subprocess, "run", run)
        monkeypatch.setattr("sys.argv", ["demo.py", *words])
        tool.main()
        return capsys.readouterr().out

    return main


def test_a_relative_folder_is_of_where_one_stands(demo, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tool, "ROOT", tmp_path / "repository")
    out = demo("--out", "mine")
    assert (tmp_path / "mine" / "evaluation").is_dir() and not (tmp_path / "repository").exists()
    assert "AP 5.0, AP50 6.0, AP75 7.0" in out and f"all:      {tmp_path / 'mine'}" in out


def test_detectors_that_one_is_shown_write_into_folders_of_their_own(demo, tmp_path):
    shown = (ROOT / "README.md").read_text(encoding="utf-8") + demo("--out", str(tmp_path / "out"))
    folders = dict(re.findall(r"tools/predict.py (\S+) .*--out (\S+)", shown))
    assert len(folders) == 3 and len(set(folders.values())) == 3
