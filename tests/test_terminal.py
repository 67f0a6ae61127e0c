import argparse
from pathlib import Path

import pytest

from dense_det.terminal import output_file, output_folder, tell


def lines(*items):
    for item in items:
        if isinstance(item, BaseException):
            raise item
        yield item


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        ("b", 0, ""),
        (ValueError("no such class"), 2, "error: no such class\n"),
        (FileNotFoundError("no file"), 2, "error: no file\n"),
        (ImportError("pip install x"), 2, "error: pip install x\n"),
        (KeyboardInterrupt(), 130, "stopped; what is finished stays, the same command goes on\n"),
    ],
)
def test_how_a_tool_ends(capsys, last, code, said):
    assert tell(lines("a", last)) == code
    out, err = capsys.readouterr()
    assert out.startswith("a\n") and err == said


def test_a_fault_of_ours_is_shown_in_full():
    with pytest.raises(AssertionError):
        tell(lines(AssertionError()))


def test_targets_that_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.json").touch()
    for name in ("rows.json", "old.json", "new/folder/rows.json"):
        assert output_file(name) == Path(name)
    for name in (".", "new/folder"):
        assert output_folder(name) == Path(name)
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]  # nothing is made before


def test_targets_that_cannot_be_written_are_named_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(argparse.ArgumentTypeError, match="^folder is a folder"):
        output_file("folder")
    with pytest.raises(argparse.ArgumentTypeError, match="^file/rows.json cannot be written: .* is no folder"):
        output_file("file/rows.json")
    with pytest.raises(argparse.ArgumentTypeError, match="^file cannot be written: .* is no folder"):
        output_folder("file")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    with pytest.raises(argparse.ArgumentTypeError, match="^folder/new cannot be written: no permission in .*folder,"):
        output_folder("folder/new")
