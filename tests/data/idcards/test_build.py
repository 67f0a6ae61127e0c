import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dense_det.data.check import check_once
from dense_det.data.idcards.build import prepare_idcards
from dense_det.data.idcards.preview import write_preview

COUNTS = {"train": 5, "val": 2, "unlabelled": 1}
DOOR = Path(__file__).parents[3] / "datasets" / "prepare_idcards.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("idcards")
    return prepare_idcards(folder / "set", counts=COUNTS, long_side=160, workers=2)


def contents(folder: Path) -> dict:
    files = [path for path in folder.rglob("*") if path.suffix in (".jpg", ".json") and path.name != "preview.jpg"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_files_and_counts(made):
    folder = Path(made["folder"])
    assert not made["already_there"] and not (folder / "parts").exists()
    for split, number in COUNTS.items():
        tree = json.loads((folder / f"{split}.json").read_text())
        assert len(tree["images"]) == number == made["statistics"][split]["pictures"]
        assert [category["name"] for category in tree["categories"]] == [
            "id_card", "passport", "badge", "certificate", "page"
        ]  # fmt: skip
        assert ("annotations" in tree) == (split != "unlabelled")
        for image in tree["images"]:
            with Image.open(folder / "images" / image["file_name"]) as picture:
                assert picture.size == (image["width"], image["height"])
        backgrounds = {image["background"] for image in tree["images"]}
        assert all(name.startswith("skimage/") for name in backgrounds)


def test_check_data_finds_nothing(made, tmp_path):
    folder = Path(made["folder"])
    for split in ("train", "val"):
        report = check_once(folder / f"{split}.json", folder / "images", tmp_path / split)
        assert not report.errors and not report.warnings, report.to_text()


def test_the_number_of_workers_and_an_interruption_change_nothing(made, tmp_path, monkeypatch):
    prepare_idcards(tmp_path / "one", counts=COUNTS, long_side=160, workers=1)
    expected = contents(Path(made["folder"]))
    assert contents(tmp_path / "one") == expected

    from dense_det.data.idcards import build

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, "write_coco", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare_idcards(tmp_path / "two", counts=COUNTS, long_side=160)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "two" / "images").iterdir()}
    assert len(before) == 8 and not (tmp_path / "two" / "manifest.json").exists()
    prepare_idcards(tmp_path / "two", counts=COUNTS, long_side=160)
    assert contents(tmp_path / "two") == expected
    assert {path: path.stat().st_mtime_ns for path in before} == before  # none was drawn twice


def test_a_second_call_finds_its_result_and_another_request_starts_anew(made):
    folder = Path(made["folder"])
    assert prepare_idcards(folder, counts=COUNTS, long_side=160)["already_there"]
    other = prepare_idcards(folder, counts={"train": 1, "val": 1}, long_side=160)
    assert not other["already_there"] and len(list((folder / "images").iterdir())) == 2
    assert not prepare_idcards(folder, counts=COUNTS, long_side=160, workers=2)["already_there"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": {"test": 3}}, "train, val, unlabelled"),
        ({"counts": {"train": 1}, "long_side": 20}, "128 pixels or more"),
        ({"counts": {"train": 1}, "photos": "/nowhere/photos"}, "no folder /nowhere/photos"),
    ],
)
def test_what_is_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        prepare_idcards(tmp_path, **arguments)


def test_the_preview_shows_the_pictures(made):
    with Image.open(write_preview(Path(made["folder"]))) as sheet:
        assert sheet.size[0] == 6 * 400 and np.asarray(sheet).std() > 20


def test_the_door_says_what_is_wrong(tmp_path):
    done = subprocess.run(
        [sys.executable, DOOR, "--out", tmp_path, "--photos", tmp_path / "none"], capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr.startswith("prepare_idcards: no folder")
