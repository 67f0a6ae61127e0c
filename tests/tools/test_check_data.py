"""tools/check_data.py: exit codes, output, and that --fix never touches the original."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
from PIL import Image

_PATH = Path(__file__).parents[2] / "tools" / "check_data.py"
_SPEC = importlib.util.spec_from_file_location("check_data", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def split(tmp_path):
    """A function that writes train.json with one image and the given boxes, and returns the two arguments."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (200, 100), "white").save(folder / "a.png")

    def write(*boxes, name="train.json"):
        data = {
            "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}],
            "categories": [{"id": 1, "name": "Table"}],
            "annotations": [
                {"id": i, "image_id": 1, "category_id": 1, "bbox": box, "area": 1, "iscrowd": 0}
                for i, box in enumerate(boxes, 1)
            ],
        }
        (tmp_path / name).write_text(json.dumps(data))
        return [str(tmp_path / name), str(folder)]

    return write


def test_clean_says_so(split, capsys):
    assert tool.main(split([1, 2, 30, 40])) == 0
    assert capsys.readouterr().out.endswith("train.json: no errors, no warnings; 1 image, 1 object (Table 1)\n")


def test_warnings_are_no_failure(split, capsys):
    assert tool.main(split([190, 2, 30, 40])) == 0
    assert "WARNING bbox-partly-outside (1)" in capsys.readouterr().out


def test_errors_by_kind(split, capsys):
    arguments = split([1, 2, 30, 40], *[[9, 9, -n, 9] for n in range(1, 6)])
    assert tool.main(arguments) == 1
    out = capsys.readouterr().out
    assert "ERROR bbox-negative (5)" in out and "annotation 2: [9, 9, -1, 9]" in out and "... and 2 more" in out
    assert tool.main([*arguments, "--all"]) == 1
    assert "annotation 6: [9, 9, -5, 9]" in capsys.readouterr().out


def test_json(split, capsys):
    assert tool.main([*split([1, 2, 0, 4]), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    kinds = [(f["kind"], f["severity"], f["annotation_id"], f["value"]) for f in report["findings"]]
    assert ("bbox-zero", "error", 1, "[1, 2, 0, 4]") in kinds
    assert report["kinds"]["bbox-zero"]["count"] == 1


def test_training_size_and_detections(split, capsys):
    arguments = split([1, 2, 30, 40], [50, 2, 30, 40])
    assert tool.main([*arguments, "--size", "10", "--max-size", "20", "--detections", "1"]) == 0
    out = capsys.readouterr().out
    assert "object-small (2)" in out and "3.0x4.0 px" in out and "objects-many (1)" in out


def test_other_splits(split, capsys):
    train, val = split([1, 2, 30, 40]), split([1, 2, 30, 40], name="val.json")
    assert tool.main([*train, "--also", *val]) == 1
    assert "image-in-two-splits (1)" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        tool.main([*train, "--also", val[0]])
    assert stop.value.code == 2


def test_could_not_check(split, capsys):
    json_file, folder = split([1, 2, 30, 40])
    assert tool.main([json_file[:-5] + ".jsn", folder]) == 2
    assert "did you mean 'train.json'" in capsys.readouterr().err
    assert tool.main([json_file, folder, "--workers", "0"]) == 2
    assert tool.main([folder, folder]) == 2


def test_fix(split, tmp_path, capsys):
    arguments = split([1, 2, 30, 40], [9, 9, -1, 9], [190, 2, 30, 40])
    before = Path(arguments[0]).read_bytes()
    out = tmp_path / "clean.json"
    assert tool.main([*arguments, "--fix", str(out)]) == 0
    text = capsys.readouterr().out
    assert "mended bbox-negative (1): dropped" in text and "1 of 1 images, 2 of 3 objects" in text
    assert Path(arguments[0]).read_bytes() == before
    assert [a["bbox"] for a in json.loads(out.read_text())["annotations"]] == [[1, 2, 30, 40], [190, 2, 10, 40]]
    assert tool.main([str(out), arguments[1]]) == 0


def test_fix_refuses_the_original_by_any_name(split, tmp_path, capsys):
    arguments = split([9, 9, -1, 9])
    before = Path(arguments[0]).read_bytes()
    os.symlink(arguments[0], tmp_path / "soft.json")
    os.link(arguments[0], tmp_path / "hard.json")
    for name in ("train.json", "images/../train.json", "soft.json", "hard.json"):
        assert tool.main([*arguments, "--fix", f"{tmp_path}/{name}"]) == 2
        assert "is the original" in capsys.readouterr().err
    assert tool.main([*arguments, "--fix", str(tmp_path)]) == 2
    assert Path(arguments[0]).read_bytes() == before


def test_fix_with_nothing_left(split, tmp_path, capsys):
    assert tool.main([*split([9, 9, -1, 9]), "--fix", str(tmp_path / "out.json")]) == 1
    streams = capsys.readouterr()
    assert "bbox-negative" in streams.out and "no object of" in streams.err
    assert not (tmp_path / "out.json").exists()
