import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from dense_det.data.check import check_dataset
from dense_det.data.idcards import dataset, work
from dense_det.data.idcards.dataset import prepare_idcards
from dense_det.data.idcards.statistics import scene_statistics, statistics_lines

SMALL = {"num_train": 4, "num_val": 3, "longer": 128}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DENSE_DET_CACHE", str(tmp_path / "cache"))


def content(folder):
    return {path.name: path.read_bytes() for path in [*folder.glob("*.json"), *(folder / "images").iterdir()]}


def test_files_are_as_said_and_the_second_call_does_nothing(tmp_path, monkeypatch):
    made = prepare_idcards(num_unlabelled=2, preview=2, **SMALL)
    out = tmp_path / "cache" / "idcards"
    assert made["folder"] == str(out) and not made["already_there"]
    for split, number in (("train", 4), ("val", 3), ("unlabelled", 2)):
        tree = json.loads((out / f"{split}.json").read_text())
        assert [image["id"] for image in tree["images"]] == list(range(1, number + 1))
        assert bool(tree["annotations"]) == (split != "unlabelled")
        for image in tree["images"]:
            assert cv2.imread(str(out / "images" / image["file_name"])).shape == (image["height"], image["width"], 3)
            assert image["background"].startswith("skimage/")
    truth = json.loads((out / "unlabelled_truth.json").read_text())
    assert truth["images"] == tree["images"] and truth["annotations"]  # what the loop read last
    for split in ("train", "val"):
        assert not check_dataset(out / f"{split}.json", out / "images").num_errors
        assert (out / f"preview_{split}.jpg").is_file()
    manifest = json.loads((out / "manifest.json").read_text())
    assert {row["name"].split("/")[0] for row in manifest["templates"]["val"]} == {"val"}
    real = work.make_scene
    monkeypatch.setattr(work, "make_scene", None)
    assert prepare_idcards(num_unlabelled=2, **SMALL)["already_there"]
    (out / "unlabelled_truth.json").unlink()
    monkeypatch.setattr(work, "make_scene", real)
    assert not prepare_idcards(num_unlabelled=2, **SMALL)["already_there"]
    assert json.loads((out / "unlabelled_truth.json").read_text()) == truth


def test_processes_and_interruptions_make_no_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "PART", 2)
    monkeypatch.setattr(dataset, "PART", 2)
    prepare_idcards(tmp_path / "one", **SMALL)
    prepare_idcards(tmp_path / "two", workers=2, **SMALL)
    assert content(tmp_path / "one") == content(tmp_path / "two")

    real, calls = work.make_scene, []

    def dies_at_the_fourth(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(work, "make_scene", dies_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        prepare_idcards(tmp_path / "three", **SMALL)
    assert not (tmp_path / "three" / "train.json").exists()
    prepare_idcards(tmp_path / "three", **SMALL)
    # the first part, two scenes, was kept: 3 made before, then the other 5
    assert len(calls) == 4 + 5
    assert content(tmp_path / "three") == content(tmp_path / "one")


def test_pictures_of_another_request_that_was_killed_are_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "PART", 2)
    monkeypatch.setattr(dataset, "PART", 2)
    prepare_idcards(tmp_path, **SMALL)
    first, real, calls = content(tmp_path), work.make_scene, []

    def dies_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as killed:
        killed.setattr(work, "make_scene", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            prepare_idcards(tmp_path, **SMALL | {"seed": 1})
    prepare_idcards(tmp_path, **SMALL)
    assert content(tmp_path) == first


def test_fewer_pictures_are_the_first_of_more_and_another_seed_is_another_set(tmp_path):
    prepare_idcards(tmp_path / "set", **SMALL)
    before = content(tmp_path / "set")
    made = prepare_idcards(tmp_path / "set", **{**SMALL, "num_train": 2})
    assert not made["already_there"] and len(list((tmp_path / "set" / "images").iterdir())) == 5
    after = content(tmp_path / "set")
    assert all(after[name] == before[name] for name in after if name.endswith(".jpg"))
    prepare_idcards(tmp_path / "set", seed=1, **SMALL)
    assert content(tmp_path / "set")["train_000000.jpg"] != before["train_000000.jpg"]


@pytest.mark.parametrize("name", ["train.json", "val.json", "unlabelled.json", "manifest.json", "images/holiday.jpg"])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path, name):
    file = tmp_path / "set" / name
    file.parent.mkdir(parents=True)
    file.write_text('{"mine": 1}')
    with pytest.raises(ValueError, match=f"holds {name.split('/')[0]}, .* choose another --out"):
        prepare_idcards(tmp_path / "set", **SMALL)
    assert [path for path in (tmp_path / "set").rglob("*") if path.is_file()] == [file]
    assert file.read_text() == '{"mine": 1}'


@pytest.mark.parametrize("manifest", ['{"stamp": "a", "numbers": {}, "request": {}}', '{"request": {}}'])
def test_a_folder_of_an_earlier_version_goes_on(tmp_path, manifest):
    """Since the first version there is a manifest with its request, or, of an interrupted run, parts/."""
    for name, keeps in (("whole", "manifest.json"), ("stopped", "parts/train_000000.json")):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / keeps).parent.mkdir(exist_ok=True)
        (tmp_path / name / keeps).write_text(manifest)
        (tmp_path / name / "train.json").write_text("{}")
        assert not prepare_idcards(tmp_path / name, **SMALL)["already_there"]
        assert len(json.loads((tmp_path / name / "train.json").read_text())["images"]) == 4


def test_a_run_stopped_at_its_first_picture_goes_on(tmp_path, monkeypatch):
    with monkeypatch.context() as stopped:
        stopped.setattr(work, "make_scene", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepare_idcards(tmp_path / "set", **SMALL)
    (tmp_path / "set" / "images").mkdir(exist_ok=True)
    assert not prepare_idcards(tmp_path / "set", **SMALL)["already_there"]


def test_of_the_images_only_those_with_names_of_ours_go(tmp_path):
    prepare_idcards(tmp_path, **SMALL)
    for name in ("train_notes.jpg", "val_01.jpg", "train_000002.png", "train_000009.jpg"):
        (tmp_path / "images" / name).write_bytes(b"")
    prepare_idcards(tmp_path, **{**SMALL, "num_train": 2})
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == [
        "train_000000.jpg", "train_000001.jpg", "train_000002.png", "train_notes.jpg", "val_000000.jpg",
        "val_000001.jpg", "val_000002.jpg", "val_01.jpg",
    ]  # fmt: skip


def test_real_pages_are_used_in_their_split(tmp_path):
    pages = tmp_path / "pages"
    (pages / "images").mkdir(parents=True)
    for split, grey in (("train", 100), ("val", 200)):
        cv2.imwrite(str(pages / "images" / f"{split}.png"), np.full((400, 283, 3), grey, np.uint8))
        (pages / f"{split}.json").write_text(json.dumps({"images": [{"file_name": f"{split}.png"}]}))
    prepare_idcards(tmp_path / "out", pages=pages, **{**SMALL, "num_train": 12, "num_val": 12})
    for split in ("train", "val"):
        images = json.loads((tmp_path / "out" / f"{split}.json").read_text())["images"]
        names = {name for image in images for name in image["templates"] if name.startswith("docpages/")}
        assert names == {f"docpages/{split}.png"}


@pytest.mark.parametrize("wrong", [{"num_train": 0}, {"longer": 10}, {"num_unlabelled": -1}])
def test_numbers_without_sense_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="got"):
        prepare_idcards(tmp_path / "out", **{**SMALL, **wrong})


def test_a_folder_without_pages_is_told(tmp_path):
    with pytest.raises(ValueError, match="holds no document pages"):
        prepare_idcards(tmp_path / "out", pages=tmp_path, **SMALL)


def test_statistics_by_hand():
    tree = {
        "images": [{"id": 1, "background": "a"}, {"id": 2, "background": "a"}, {"id": 3, "background": "b"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "visible": 1.0, "area": 100 * 100},
            {"image_id": 1, "category_id": 2, "visible": 0.6, "area": 50 * 50},
            {"image_id": 3, "category_id": 1, "visible": 0.2, "area": 300 * 300},
        ],
        "categories": [{"id": 1, "name": "card"}, {"id": 2, "name": "page"}],
    }
    counts = scene_statistics(tree)
    assert counts == {
        "pictures": 3, "negatives": 1, "documents": {"card": 2, "page": 1},
        "visible": {"whole": 1, "cut": 1, "under half": 1}, "sizes": {"small": 1, "medium": 1, "large": 1},
        "median_side_px": 100.0, "backgrounds": 2,
    }  # fmt: skip
    assert "card 2, page 1" in statistics_lines("val", counts)[0]


def test_the_door_makes_a_set_and_names_what_is_wrong(tmp_path, capsys):
    path = Path(__file__).parents[3] / "datasets" / "prepare_idcards.py"
    spec = importlib.util.spec_from_file_location("prepare_idcards", path)
    door = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(door)
    arguments = ["--train", "2", "--val", "2", "--size", "96", "--workers", "1", "--out", str(tmp_path / "out")]
    assert door.main(arguments) == 0
    assert "train: 2 pictures" in capsys.readouterr().out
    assert door.main(arguments) == 0
    assert capsys.readouterr().out.startswith("already there")
    assert door.main([*arguments, "--photos", str(tmp_path / "nowhere")]) == 1
    assert "no folder of photographs" in capsys.readouterr().err
