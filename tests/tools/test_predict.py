"""tools/predict.py: its words, with a detector that the repository ships."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("predict_tool", _ROOT / "tools" / "predict.py")
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def page(tmp_path):
    """A grey picture with a frame, on a white page."""
    pixels = np.full((400, 300, 3), 255, np.uint8)
    pixels[100:200, 50:250] = np.random.default_rng(0).integers(60, 200, (100, 200, 1))
    (tmp_path / "scans").mkdir()
    Image.fromarray(pixels).save(tmp_path / "scans" / "a.png")
    (tmp_path / "scans" / "bad.png").write_bytes(b"")
    return tmp_path / "scans"


def test_a_detector_of_the_zoo(page, tmp_path, capsys):
    words = [str(_ROOT / "zoo" / "snet_docpages"), str(page), "--out", str(tmp_path / "out"), "--num-workers", "1"]
    assert tool.main([*words, "--threshold", "0.05", "--pictures", "--crops"]) == 0
    out = capsys.readouterr().out
    assert "1 images\n1 left out, " in out and f"{page}/bad.png: 0 bytes" in out
    coco = json.loads((tmp_path / "out" / "found.json").read_text())
    assert [Path(image["file_name"]).name for image in coco["images"]] == ["a.png"]
    assert {"Table", "Picture", "Formula"} == {category["name"] for category in coco["categories"]}
    with open(tmp_path / "out" / "found.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(coco["annotations"]) and len(list((tmp_path / "out" / "crops").iterdir())) == len(rows)
    assert Image.open(next((tmp_path / "out" / "pictures").iterdir())).size == (300, 400)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["zoo/snet_docpage"], "zoo/snet_docpage"),
        (["model.pt2"], "torch may unpickle what is in a .pt2"),
        (["zoo/snet_docpages", "--threshold", "1.5"], "--threshold must lie between 0 and 1, got 1.5"),
        (["zoo/snet_docpages", "--num-workers", "0"], "--num-workers must be at least 1, got 0"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(page, tmp_path, capsys, monkeypatch, words, complaint):
    monkeypatch.chdir(_ROOT)
    assert tool.main([words[0], str(page), "--out", str(tmp_path / "out"), *words[1:]]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out" / "found.json").exists()


def test_what_is_left_out_and_made_smaller_is_told(capsys):
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "a side below 0.1 pixels of their image are left out" in out and "longer than 65,500 pixels are shrunk" in out
    )
