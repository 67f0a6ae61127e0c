"""A tiny detector of two classes with random weights, that finds something everywhere, on pictures good and bad."""

import csv
import json
import os
import re
import shutil
import tarfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pycocotools import mask as coco_mask

from dense_det.config import load_cfg
from dense_det.deploy import runtime
from dense_det.deploy.export import export_onnx
from dense_det.deploy.facts import build_facts
from dense_det.deploy.graph import deploy_graph
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.processes import run_here
from dense_det.distillation.rule import Rule
from dense_det.distillation.shard_file import ImagePredictions, ShardPredictions
from dense_det.distillation.work_folder import InputImage, WorkFolder, write_json
from dense_det.engine.model import build_model, load_model
from dense_det.prediction import job as job_module
from dense_det.prediction import listing
from dense_det.prediction.found import CORNERS, kept, title, write_found
from dense_det.prediction.job import Prediction
from dense_det.prediction.listing import list_images, mark_of

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    tree = {
        "_BASE_": str(CONFIGS / "retina_snet.yaml"),
        "MODEL": {"RETINANET": {"NUM_CLASSES": 2, "PRIOR_PROB": 0.3}, "DEVICE": "cpu"},
        "INPUT": {"MIN_SIZE_TRAIN": [64], "MIN_SIZE_TEST": 64},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    torch.manual_seed(0)
    torch.save({"model": build_model(load_cfg(folder / "config.yaml")).state_dict()}, folder / "model_best.pth")
    (folder / "evaluation").mkdir()
    rows = {"Table": {"threshold": 0.06}, "Text": {"threshold": 0.99}}
    (folder / "evaluation" / "thresholds.json").write_text(json.dumps(rows))
    return folder


@pytest.fixture
def pictures(tmp_path):
    folder, rng = tmp_path / "in", np.random.default_rng(0)
    folder.mkdir()
    for name in ("a.png", "b c.jpg"):
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(folder / name)
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


def test_files_of_what_was_found(training, pictures, tmp_path):
    job = Prediction(str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model, None, True, True, 1)
    lines = list(job.lines())
    assert lines[-2].startswith("2 images: Table ") and lines[-2].endswith("Text 0")
    assert lines[-1] == f"{tmp_path / 'out'}: found.json, found.csv, pictures/, crops/"
    coco = json.loads((tmp_path / "out" / "found.json").read_text())
    assert [Path(image["file_name"]).name for image in coco["images"]] == ["a.png", "b c.jpg"]
    assert [c["name"] for c in coco["categories"]] == ["Table", "Text"]
    assert {a["category_id"] for a in coco["annotations"]} == {1} and not any(a["iscrowd"] for a in coco["annotations"])
    rows = list(csv.DictReader((tmp_path / "out" / "found.csv").open()))
    assert len(rows) == len(coco["annotations"]) and {row["class"] for row in rows} == {"Table"}
    of_first = [float(row["score"]) for row in rows if row["image"].endswith("a.png")]
    assert of_first == sorted(of_first, reverse=True) and min(of_first) >= 0.06
    names = {path.name for path in (tmp_path / "out" / "pictures").iterdir()}
    assert names == {"000001-a.jpg", "000002-b_c.jpg"}
    crops = sorted((tmp_path / "out" / "crops").iterdir())
    assert crops[0].name == "000001-a-1-Table.png" and len(crops) <= len(rows)
    # once more: nothing is looked at again, and pictures that are there stay
    before = crops[0].stat().st_mtime_ns
    assert list(job.lines())[-2] == lines[-2] and crops[0].stat().st_mtime_ns == before


def test_one_threshold_for_all(training, pictures, tmp_path):
    counts = []
    for number, threshold in enumerate((0.06, 0.999)):
        job = Prediction(
            str(training), [str(pictures)], tmp_path / str(number), load_cfg, load_model, threshold, workers=1
        )
        counts.append(list(job.lines())[-2])
    assert counts[1] == "2 images: Table 0, Text 0" and "Text 0" not in counts[0]
    assert not (tmp_path / "0" / "pictures").exists()
    with pytest.raises(ValueError, match="--threshold must lie between 0 and 1, got 2"):
        list(Prediction(str(training), ["x"], tmp_path, load_cfg, load_model, 2).lines())
    for workers in (0, -1):
        with pytest.raises(ValueError, match=f"--num-workers must be at least 1, got {workers}"):
            list(Prediction(str(training), ["x"], tmp_path, load_cfg, load_model, workers=workers).lines())


def test_another_threshold_draws_anew(training, pictures, tmp_path):
    def boxes(threshold):
        job = Prediction(
            str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model, threshold, True, True, 1
        )
        list(job.lines())
        crops = sorted(path.name for path in (tmp_path / "out" / "crops").iterdir())
        return crops, (tmp_path / "out" / "pictures" / "000001-a.jpg").read_bytes()

    many, crowded = boxes(0.1)
    rows = csv.DictReader((tmp_path / "out" / "found.csv").open())
    few, sparse = boxes(max(float(row["score"]) for row in rows if row["image"].endswith("a.png")) - 1e-3)
    assert set(few) < set(many) and sparse != crowded
    (tmp_path / "out" / "pictures" / "mine.jpg").write_bytes(b"")
    assert boxes(0.1) == (many, crowded) and (tmp_path / "out" / "pictures" / "mine.jpg").exists()
    alone = Prediction(str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model, 0.5, workers=1)
    number = len(many) + 2  # crops and both pictures
    told = f"{number} pictures and crops that showed other boxes are removed: --pictures and --crops draw anew"
    assert told in list(alone.lines()) and not (tmp_path / "out" / "crops").exists()
    assert [path.name for path in (tmp_path / "out" / "pictures").iterdir()] == ["mine.jpg"]


def test_what_was_drawn_is_not_looked_at(training, pictures):
    # into the folder of the pictures itself
    job = Prediction(str(training), [str(pictures)], pictures, load_cfg, load_model, None, True, True, 1)
    first = list(job.lines())[-2]
    assert first.startswith("2 images") and (pictures / "pictures" / "000001-a.jpg").exists()
    assert list(job.lines())[-2] == first


def test_boxes_below_the_usual_floor_where_they_are_asked_for(training, pictures, tmp_path):
    job = Prediction(str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model, 0.01, workers=1)
    list(job.lines())
    assert WorkFolder(tmp_path / "out" / "work").read_manifest().floor == 0.01


def test_thresholds_in_turns(training, pictures, tmp_path):
    def scores(threshold):
        job = Prediction(str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model, threshold, workers=1)
        list(job.lines())
        return [float(row["score"]) for row in csv.DictReader((tmp_path / "out" / "found.csv").open())]

    low = scores(0.04)
    assert low and min(low) >= 0.04
    for higher in (0.5, None, 0.05):
        assert set(scores(higher)) <= set(low)
    assert scores(0.04) == low
    with pytest.raises(ValueError, match="a score of 0.04 or more, and a threshold of 0.03 .*give another --out"):
        scores(0.03)


def test_every_copy_has_its_rows(training, pictures, tmp_path):
    for name in ("z.png", "d.png"):
        (pictures / name).write_bytes((pictures / "a.png").read_bytes())
    with tarfile.open(tmp_path / "pack.tar", "w") as archive:
        archive.add(pictures / "a.png", "in/one.png")

    def rows():
        sources = [str(pictures), str(pictures / "a.png"), str(pictures / "z.png"), str(tmp_path / "pack.tar")]
        words = (load_cfg, load_model, None, True, False, 1)
        lines = list(Prediction(str(training), sources, tmp_path / "out", *words).lines())
        by_image = {}
        for row in csv.DictReader((tmp_path / "out" / "found.csv").open()):
            by_image.setdefault(Path(row.pop("image")).name, []).append(row)
        return lines[-2], by_image

    told, by_image = rows()
    assert told.startswith("5 images: ") and list(by_image) == ["a.png", "d.png", "z.png", "one.png", "b c.jpg"]
    assert by_image["a.png"] == by_image["d.png"] == by_image["z.png"] == by_image["one.png"] != by_image["b c.jpg"]
    coco = json.loads((tmp_path / "out" / "found.json").read_text())
    assert [image["id"] for image in coco["images"]] == [1, 3, 4, 6, 2]  # 5 is a.png once more
    assert {(image["width"], image["height"]) for image in coco["images"]} == {(80, 60)}
    scores = {k: [a["score"] for a in coco["annotations"] if a["image_id"] == k] for k in range(1, 7)}
    assert scores[1] == scores[3] == scores[4] == scores[6] != scores[2]
    # another copy comes: nothing is looked at, pictures have the numbers of today
    (pictures / "c.png").write_bytes((pictures / "a.png").read_bytes())
    told, by_image = rows()
    assert told.startswith("6 images: ") and by_image["c.png"] == by_image["a.png"]
    names = sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir())
    assert names == ["000001-a.jpg", "000002-b_c.jpg", "000003-c.jpg", "000004-d.jpg", "000005-z.jpg", "000007-one.jpg"]


FOREIGN = re.compile("shard|seconds-per-image|plan|teacher|pseudo|select|label|setting|^ *sha256|floor")


def test_what_is_said_is_for_one_who_never_heard_of_pseudo_labels(training, pictures, tmp_path):
    Image.new("RGB", (20, 10)).save(pictures / "pages.tif", save_all=True, append_images=[Image.new("RGB", (20, 10))])
    (pictures / "copy.png").write_bytes((pictures / "a.png").read_bytes())
    (pictures / "notes.md").write_text("no image")
    listed = tmp_path / "more.txt"
    listed.write_text("nowhere.jpg\n")

    def lines(*sources, model=training):
        job = Prediction(str(model), [*map(str, sources)], tmp_path / "out", load_cfg, load_model, workers=1)
        return list(job.lines())

    told = lines(pictures, listed)
    assert told[:3] == [
        "2 images; 1 more have the bytes of one of them, and its boxes; 1 files are not named like images",
        f"3 left out, {tmp_path}/out/work/rejected.jsonl names them:",
        f"  {pictures}/bad.jpg: not an image that Pillow knows",
    ]
    assert told[3:5] == [
        f"  {pictures}/pages.tif: TIFF of 2 pages; save each as a file",
        f"  {tmp_path}/nowhere.jpg: no such file",
    ]
    assert told[5] == "looked at 2 of 2 images"
    # once more: nothing to look at
    listed.write_text("nowhere.jpg\nhere_neither.jpg\n")
    again = lines(pictures, listed)
    assert again[1].startswith("4 left out") and again[5:] == told[6:]
    assert "here_neither" in (tmp_path / "out" / "work" / "rejected.jsonl").read_text()
    Image.new("RGB", (50, 40)).save(pictures / "c.png")
    with pytest.raises(ValueError, match=r"other images \(2 images -> 3\).*give another --out") as grown:
        lines(pictures)
    other = tmp_path / "other"
    shutil.copytree(training, other)
    state = torch.load(other / "model_best.pth", weights_only=True)["model"]
    torch.save({"model": {key: value + 1 for key, value in state.items()}}, other / "model_best.pth")
    with pytest.raises(ValueError, match=r"another detector, .*\(other weights or .*\): give another --out") as swapped:
        lines(pictures, model=other)
    (other / "model_best.pth").rename(other / "model_final.pth")
    with pytest.raises(ValueError, match=r"before \(model_best.pth, now model_final.pth\)"):
        lines(pictures, model=other)
    with pytest.raises(ValueError, match=r"no image in .*more.txt: 2 bad\n.*nowhere.jpg: no such file") as nothing:
        lines(listed)
    (tmp_path / "out" / "work" / "plan.json").unlink()
    with pytest.raises(ValueError, match="is damaged .*remove it, or give another --out") as damaged:
        lines(pictures)
    for text in (*told, *again, *(str(error.value) for error in (grown, swapped, nothing, damaged))):
        assert not FOREIGN.search(text.replace(str(tmp_path), "")), text
    manifest = tmp_path / "out" / "work" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(ValueError, match="give another --out, this one cannot be gone on with"):
        lines(pictures)


def test_an_image_that_is_gone_when_its_turn_comes_is_named(training, pictures, tmp_path, monkeypatch):
    def list_and_lose(*words):
        plan = list_images(*words)
        (pictures / "a.png").unlink()
        return plan

    monkeypatch.setattr(job_module, "list_images", list_and_lose)
    (pictures / "z.png").write_bytes((pictures / "a.png").read_bytes())
    told = list(Prediction(str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model, workers=1).lines())
    failures = tmp_path / "out" / "work" / "failures.jsonl"
    assert told[-4].startswith("1 images: ")
    same = "nor have 1 more with the bytes of one of them"
    assert told[-3] == f"1 images have no answer, {same}; {failures} says why:"
    assert told[-2].startswith(f"  {pictures}/a.png: ")


def test_a_disk_that_is_gone_ends_it_and_once_it_is_back_the_same_command_goes_on(
    training, pictures, tmp_path, monkeypatch
):
    rng = np.random.default_rng(1)
    for k in range(8):
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(pictures / f"{k}.png")
    words = (str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model)

    def list_and_lose(*words):
        plan = list_images(*words)
        pictures.rename(tmp_path / "unmounted")
        return plan

    monkeypatch.setattr(job_module, "list_images", list_and_lose)
    with pytest.raises(ValueError, match=r"none of its 10 images can be read, .* Is the disk there\?"):
        list(Prediction(*words, workers=1).lines())
    assert not (tmp_path / "out" / "found.csv").exists()
    monkeypatch.undo()
    (tmp_path / "unmounted").rename(pictures)
    told = list(Prediction(*words, workers=1).lines())
    assert "looked at 10 of 10 images" in told and told[-2].startswith("10 images: ")
    assert not any("have no answer" in line for line in told)


def test_the_detector_is_looked_at_before_the_images(training, pictures, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(training, broken)
    (broken / "model_best.pth").write_bytes(b"no weights")
    for model in (broken, tmp_path / "nope.onnx", tmp_path / "nope.xml"):
        with pytest.raises((ValueError, OSError)):
            list(Prediction(str(model), [str(pictures)], tmp_path / "out", load_cfg, load_model, workers=1).lines())
    assert not (tmp_path / "out").exists()


def test_progress_is_told_shard_by_shard(training, pictures, tmp_path, monkeypatch):
    def run_workers(work, opener, share, num, rate):
        assert num == 9
        return run_here(work, opener, share, rate)

    monkeypatch.setattr(job_module, "run_workers", run_workers)
    monkeypatch.setattr(listing, "SHARD_SIZE", 1)
    words = (str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model)
    told = list(Prediction(*words, workers=9).lines())
    assert [line.partition(";")[0] for line in told if "looked" in line] == [
        "looked at 1 of 2 images",
        "looked at 2 of 2 images",
    ]


def test_a_folder_goes_on_in_its_own_shards(training, pictures, tmp_path, monkeypatch):
    def run_workers(work, opener, share, num, rate):
        yield from run_here(work, opener, share, rate) if stopped else ()
        stopped.append(True)

    stopped = []
    monkeypatch.setattr(job_module, "run_workers", run_workers)
    monkeypatch.setattr(listing, "SHARD_SIZE", 256)
    words = (str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model)
    with pytest.raises(ValueError, match="is not finished"):
        list(Prediction(*words, workers=1).lines())
    monkeypatch.undo()
    assert listing.SHARD_SIZE == 32
    told = list(Prediction(*words, workers=1).lines())
    assert "looked at 2 of 2 images" in told and WorkFolder(tmp_path / "out" / "work").read_plan().shard_size == 256


def test_an_image_that_is_gone_when_it_is_drawn_is_named(training, pictures, tmp_path, monkeypatch):
    def write_and_lose(*words):
        (pictures / "a.png").unlink()
        return write_found(*words)

    monkeypatch.setattr(job_module, "write_found", write_and_lose)
    out = tmp_path / "out"
    told = list(Prediction(str(training), [str(pictures)], out, load_cfg, load_model, None, True, True, 1).lines())
    assert told[-3].startswith("1 images cannot be read any more, so they are not drawn")
    assert told[-2] == f"  {pictures}/a.png: no such file"
    rows = list(csv.DictReader((out / "found.csv").open()))
    assert {Path(row["image"]).name for row in rows} == {"a.png", "b c.jpg"}
    assert len(rows) == len(json.loads((out / "found.json").read_text())["annotations"])
    assert [path.name for path in (out / "pictures").iterdir()] == ["000002-b_c.jpg"]


def test_files_of_others_stay(training, pictures, tmp_path):
    mine = [pictures / "pictures" / "2024-05-01.jpg", pictures / "pictures" / "20240501-120000.jpg"]
    mine.append(pictures / "crops" / "7-a.png")
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")

    def lines(threshold):
        words = (load_cfg, load_model, threshold, True, True, 1)
        return list(Prediction(str(training), [str(pictures)], pictures, *words).lines())

    taken = pictures / "pictures" / "000002-x.jpg"
    taken.write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"000002-x.jpg is there, .*: move it away, or give another --out"):
        lines(0.1)
    assert taken.read_bytes() == b"mine"
    taken.unlink()
    for threshold in (0.1, 0.2, 0.9):
        lines(threshold)
        assert [path.read_bytes() for path in mine] == [b"mine"] * 3
    assert not (pictures / "pictures" / "000001-a.jpg").exists()  # at 0.9 nothing is found


@pytest.mark.parametrize("name", ["found.json", "found.csv"])
def test_tables_of_others_stay(training, pictures, tmp_path, name):
    words = (str(training), [str(pictures)], tmp_path, load_cfg, load_model)
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=rf"{name} is there, and no .*/predict.json .*: move it away, or give another"):
        list(Prediction(*words, workers=1).lines())
    assert (tmp_path / name).read_text() == "mine" and not (tmp_path / "work").exists()
    (tmp_path / name).unlink()
    for _ in range(2):  # its own ones are written anew
        list(Prediction(*words, workers=1).lines())
        assert (tmp_path / name).read_text() != "mine"
        (tmp_path / name).write_text("mine")


@pytest.mark.parametrize("labelled", [None, "labelled", "validation"])
@pytest.mark.parametrize("found", [(), ("found.json",), ("found.json", "found.csv")])
def test_a_distillation_s_plan_stays_and_files_of_others_beside_it(training, pictures, tmp_path, labelled, found):
    work = WorkFolder(tmp_path / "work")
    plan = make_plan(work, PlanSettings((str(pictures),)))
    if labelled:
        work.write_plan(replace(plan, **{labelled: {"per_class": {"Table": 3}, "num_images": 5}}))
    for name in found:
        (tmp_path / name).write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"and no .*predict.json tells that .*: .*give another --out"):
        list(Prediction(str(training), [str(pictures)], tmp_path, load_cfg, load_model, workers=1).lines())
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_folder_of_the_days_before_the_mark_goes_on(training, pictures, tmp_path):
    words = (str(training), [str(pictures)], tmp_path, load_cfg, load_model)
    first = list(Prediction(*words, workers=1).lines())
    mark = mark_of(WorkFolder(tmp_path / "work"))
    mark.unlink()
    assert list(Prediction(*words, workers=1).lines())[-2:] == first[-2:] and mark.exists()
    mark.unlink()
    (tmp_path / "found.csv").rename(tmp_path / "elsewhere.csv")
    with pytest.raises(ValueError, match="found.json is there, and no .*predict.json tells"):
        list(Prediction(*words, workers=1).lines())
    (tmp_path / "found.json").unlink()  # as of a run that was stopped before its end
    assert list(Prediction(*words, workers=1).lines())[-2:] == first[-2:] and mark.exists()


@pytest.mark.parametrize(
    "change", [{"fusion": {"kind": "wbf", "iou": 0.5}}, {"version": 1}], ids=["several views", "another version"]
)
def test_answers_of_several_views_are_not_of_here(training, pictures, tmp_path, change):
    words = (str(training), [str(pictures)], tmp_path, load_cfg, load_model)
    list(Prediction(*words, workers=1).lines())
    work = WorkFolder(tmp_path / "work")
    manifest = replace(work.read_manifest(), **change)
    mark_of(work).unlink()
    work.manifest_path.unlink()
    write_json(work.manifest_path, asdict(manifest) | {"sha256": manifest.sha256})
    with pytest.raises(ValueError, match="found.json is there, and no .*predict.json tells"):
        list(Prediction(*words, workers=1).lines())


def test_metadata_of_a_file_changed_by_hand(pictures, tmp_path, monkeypatch):
    facts = {"classes": ["Table"], "thresholds": [0.5], "min_size": 0, "max_size": 0, "config_sha256": "c" * 64}
    changed = facts | {"detections_per_image": "300"}
    monkeypatch.setitem(runtime.Detector.openers, ".xml", lambda *_: (None, json.dumps(changed)))
    for name in ("m.xml", "m.bin"):
        (tmp_path / name).touch()
    words = (str(tmp_path / "m.xml"), [str(pictures)], tmp_path / "out", load_cfg, load_model)
    with pytest.raises(ValueError, match="m.xml: its metadata 'dense_det' was changed: .*detections_per_image"):
        list(Prediction(*words, workers=1).lines())
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_no_utf8(training, pictures, tmp_path):
    os.rename(pictures / "a.png", os.fsencode(pictures) + b"/\xff.png")
    list(Prediction(str(training), [str(pictures)], tmp_path / "out", load_cfg, load_model, workers=1).lines())
    names = {Path(row["image"]).name for row in csv.DictReader((tmp_path / "out" / "found.csv").open())}
    assert names == {"b c.jpg", "\\udcff.png"}


def test_an_exported_file_brings_its_thresholds(training, pictures, tmp_path):
    cfg = load_cfg(training / "config.yaml", ["MODEL.WEIGHTS", str(training / "model_best.pth")])
    facts = build_facts(cfg, training / "config.yaml", {}, "1.0")
    assert facts["thresholds"] == [0.06, 0.99]
    export_onnx(deploy_graph(load_model(cfg)), tmp_path / "tiny.onnx", facts)
    scores = []
    for number, model in enumerate((str(training), str(tmp_path / "tiny.onnx"))):
        out = tmp_path / f"out{number}"
        lines = list(Prediction(model, [str(pictures)], out, load_cfg, load_model, workers=1).lines())
        assert lines[-2].endswith("Text 0")
        annotations = json.loads((out / "found.json").read_text())["annotations"]
        scores.append(sorted((a["score"] for a in annotations), reverse=True))
    # the lowest may tip over, in sums of another order
    assert np.allclose(scores[0][:10], scores[1][:10], atol=1e-3) and abs(len(scores[0]) - len(scores[1])) <= 2
    assert 0.06 <= scores[1][-1] < 0.5


@pytest.mark.parametrize(("fact", "most"), [({"detections_per_image": 1000}, 400), ({}, 300)])
def test_a_file_s_own_limit_of_boxes_rules(pictures, tmp_path, monkeypatch, fact, most):
    corners = np.stack(np.meshgrid(np.arange(20), np.arange(20)), -1).reshape(-1, 2) * 3
    boxes = np.concatenate([corners, corners + 3], 1).astype(np.float32)
    found = boxes, np.linspace(0.9, 0.6, 400, dtype=np.float32), np.zeros(400, np.int64)
    facts = {"classes": ["Table"], "thresholds": [0.5], "min_size": 0, "max_size": 0, "config_sha256": "c" * 64} | fact
    monkeypatch.setitem(runtime.Detector.openers, ".xml", lambda *_: (lambda image: found, json.dumps(facts)))
    for name in ("m.xml", "m.bin"):
        (tmp_path / name).touch()
    words = (str(tmp_path / "m.xml"), [str(pictures / "a.png")], tmp_path / "out", load_cfg, load_model)
    assert f"1 images: Table {most}" in list(Prediction(*words, workers=1).lines())


def test_programs_of_torch_are_not_run(pictures, tmp_path):
    (tmp_path / "model.pt2").touch()
    with pytest.raises(ValueError, match="model.pt2: torch may unpickle .* as .onnx or .xml"):
        list(Prediction(str(tmp_path / "model.pt2"), [str(pictures)], tmp_path / "out", load_cfg, load_model).lines())


def test_corners_stand_in_both_files(tmp_path):
    work = WorkFolder(tmp_path / "work")
    Image.new("RGB", (60, 40)).save(tmp_path / "card.png")
    list_images(work, [str(tmp_path / "card.png")], [])
    work.settle_manifest(Manifest(["card"], [], [], {}, 0.05, 100))
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:50] = 1
    rle = coco_mask.encode(np.asfortranarray(mask))["counts"]
    one = np.ones(1, np.float32)
    box = np.array([[19, 9, 51, 31]], np.float32)
    found = ImagePredictions(1, box, one * 0.9, np.zeros(1, np.int32), one, one, (rle,))
    ShardPredictions.join([found]).save(work.images.predictions(0))
    assert write_found(tmp_path, work, Rule(np.array([0.5], np.float32), 1.0)) == {"": 1, "card": 1}
    (row,) = csv.DictReader((tmp_path / "found.csv").open())
    (annotation,) = json.loads((tmp_path / "found.json").read_text())["annotations"]
    assert annotation["quad"] == pytest.approx([20, 10, 50, 10, 50, 30, 20, 30], abs=1)
    assert [float(row[name]) for name in CORNERS] == pytest.approx(annotation["quad"], abs=0.006)
    assert annotation["area"] == 600 and annotation["bbox"] == [19, 9, 32, 22]


def test_names_that_break_lines_break_no_rows(tmp_path):
    work, names = WorkFolder(tmp_path / "work"), ["two\nlines", "an old\rMac", 'a "table", ruled']
    Image.new("RGB", (60, 40)).save(tmp_path / "old\rline\nfeed.png")
    list_images(work, [str(tmp_path)], [])
    work.settle_manifest(Manifest(names, [], [], {}, 0.05, 100))
    ones, boxes = np.ones(3, np.float32), np.array([[1, 2, 30, 40]] * 3, np.float32)
    found = ImagePredictions(1, boxes, ones * 0.9, np.arange(3, dtype=np.int32), ones, ones)
    ShardPredictions.join([found]).save(work.images.predictions(0))
    write_found(tmp_path, work, Rule(np.full(3, 0.5, np.float32), 1.0))
    with open(tmp_path / "found.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["two\nlines", "an old\\rMac", 'a "table", ruled']
    assert {Path(row["image"]).name for row in rows} == {"old\\rline\\nfeed.png"}
    assert {row["y1"] for row in rows} == {"40.00"}


def test_the_table_has_its_header_where_no_image_has_an_answer(tmp_path):
    work = WorkFolder(tmp_path / "work")
    Image.new("RGB", (60, 40)).save(tmp_path / "card.png")
    list_images(work, [str(tmp_path / "card.png")], [])
    work.settle_manifest(Manifest(["card"], [], [], {}, 0.05, 100))
    ShardPredictions.join([]).save(work.images.predictions(0))
    assert write_found(tmp_path, work, Rule(np.array([0.5], np.float32), 1.0)) == {"": 0, "card": 0}
    assert (tmp_path / "found.csv").read_text() == "image,class,score,x0,y0,x1,y1\n"


def test_names_that_a_spreadsheet_would_compute_are_text(tmp_path):
    work = WorkFolder(tmp_path / "work")
    names = ["=1+1", "@SUM(A1)", "-", "+1", "\ttab", "\rline", "a=b", "'quoted'"]
    Image.new("RGB", (60, 40)).save(tmp_path / "card.png")
    list_images(work, [str(tmp_path / "card.png")], [])
    work.settle_manifest(Manifest(names, [], [], {}, 0.05, 100))
    ones, boxes = np.ones(8, np.float32), np.array([[1, 2, 30, 40]] * 8, np.float32)
    found = ImagePredictions(1, boxes, ones * 0.9, np.arange(8, dtype=np.int32), ones, ones)
    ShardPredictions.join([found]).save(work.images.predictions(0))
    write_found(tmp_path, work, Rule(np.full(8, 0.5, np.float32), 1.0))
    with open(tmp_path / "found.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    told = ["'=1+1", "'@SUM(A1)", "'-", "'+1", "'\ttab", "\\rline", "a=b", "'quoted'"]
    assert [row["class"] for row in rows] == told and rows[0]["image"] == str(tmp_path / "card.png")
    coco = json.loads((tmp_path / "found.json").read_text())
    assert [category["name"] for category in coco["categories"]] == names


def test_masks_become_corners():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:50] = 1
    rle = coco_mask.encode(np.asfortranarray(mask))["counts"]
    boxes = np.array([[20, 10, 50, 30], [0, 0, 5, 5]], np.float32)
    columns = (
        np.array([0.5, 0.9], np.float32),
        np.array([0, 1], np.int32),
        np.ones(2, np.float32),
        np.ones(2, np.float32),
    )
    image = InputImage(7, "/scans/a b.pdf", None, 2, "0" * 64, 60, 40)
    found = kept(image, ImagePredictions(7, boxes, *columns, (rle, rle)), Rule(np.array([0.4, 0.95], np.float32), 1.0))
    assert found.classes.tolist() == [0]
    assert found.quads[0] == pytest.approx(np.array([(20, 10), (50, 10), (50, 30), (20, 30)]), abs=1)
    assert title(image) == "/scans/a b.pdf:page 3" and found.stem() == "000007-a_b-page3"
