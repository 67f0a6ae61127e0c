"""tools/pseudo_label.py: verbs, messages and exit codes."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from dense_det.config import load_cfg
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.shard_file import ShardPredictions
from dense_det.distillation.work_folder import WorkFolder, read_lines, write_json, write_lines
from dense_det.engine.model import build_model

_PATH = Path(__file__).parents[2] / "tools" / "pseudo_label.py"
_SPEC = importlib.util.spec_from_file_location("pseudo_label", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.mark.parametrize("verb", tool.VERBS)
def test_each_verb_has_an_example(verb, capsys):
    with pytest.raises(SystemExit):
        tool.main([verb, "--help"])
    out = capsys.readouterr().out
    assert f"python tools/pseudo_label.py {verb}" in out and tool.VERBS[verb].__doc__.splitlines()[0] in out


def test_plan(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (20, 10)).save(tmp_path / "in" / "a.png")
    assert tool.main(["plan", str(tmp_path / "work"), str(tmp_path / "in")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 images in 1 shards of 256\n") and "expected time: give --teacher or --onnx" in out
    work = WorkFolder(tmp_path / "work")
    assert work.failures_path.read_text() == ""
    work.settle_manifest(Manifest(["a"], [], [], {}, 0.05, 100))
    write_json(work.images.seconds(0), {"seconds": 2, "images": 1})
    write_lines(work.images.failures(0), [])
    ShardPredictions.join([]).save(work.images.predictions(0))
    assert tool.main(["plan", str(tmp_path / "work"), str(tmp_path / "in")]) == 0
    assert "expected: 2 s of one worker in all, at 2.000 s an image" in capsys.readouterr().out
    assert tool.main(["plan", str(tmp_path / "work"), str(tmp_path / "nowhere")]) == 2
    assert "error: nothing at" in capsys.readouterr().err
    assert tool.main(["plan", str(tmp_path / "work"), str(tmp_path / "in"), "--shard-size", "0"]) == 2
    assert "--shard-size must be at least 1, got 0" in capsys.readouterr().err


@pytest.fixture
def teacher(tmp_path):
    """A tiny RetinaNet of two classes with random weights, that finds something everywhere: [config, weights]."""
    config = tmp_path / "teacher.yaml"
    tree = {
        "_BASE_": str(_PATH.parents[1] / "configs" / "retina_snet.yaml"),
        "MODEL": {"RETINANET": {"NUM_CLASSES": 2, "PRIOR_PROB": 0.3}},
        "INPUT": {"MIN_SIZE_TRAIN": [64], "MIN_SIZE_TEST": 64, "AUGMENT": {"SCALE_RANGE": [1.0, 1.0]}},
    }
    config.write_text(yaml.safe_dump(tree))
    torch.manual_seed(0)
    torch.save({"model": build_model(load_cfg(config, ["MODEL.DEVICE", "cpu"])).state_dict()}, tmp_path / "teacher.pth")
    return [str(config), str(tmp_path / "teacher.pth")]


def test_plan_tries_the_teacher_for_the_expected_time(tmp_path, teacher, capsys):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (20, 10)).save(tmp_path / "in" / "a.png")
    threads = torch.get_num_threads()
    plan = ["plan", str(tmp_path / "work"), str(tmp_path / "in"), "--teacher", *teacher]
    assert tool.main(plan) == 2 and "the classes have no names" in capsys.readouterr().err
    write_json(tmp_path / "evaluation" / "thresholds.json", {"card": {"threshold": 0.5}, "page": None})
    assert tool.main(plan) == 0
    assert re.search(r"expected: \d+ s of one worker in all, at \d\.\d{3} s an image", capsys.readouterr().out)
    assert torch.get_num_threads() == threads and not (tmp_path / "work" / "manifest.json").exists()


def test_large_jpeg_files_are_decoded_smaller(tmp_path, teacher, capsys):
    (tmp_path / "in").mkdir()
    rough = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
    Image.fromarray(rough).resize((360, 240)).save(tmp_path / "in" / "a.jpg", quality=95)
    boxes = []
    for name, words in (("exact", []), ("scaled", ["--scaled-decode"])):
        work = WorkFolder(tmp_path / name)
        assert tool.main(["plan", str(work.root), str(tmp_path / "in")]) == 0
        run = ["run", str(work.root), "--teacher", *teacher, "--classes", "card", "page", "--num-workers", "1", *words]
        run += ["--opts", "INPUT.MIN_SIZE_TEST", "0"]  # as they are
        assert tool.main([*run, "--views", "own"]) == (2 if words else 0)
        assert not words or "--scaled-decode: a teacher takes images as they are" in capsys.readouterr().err
        assert tool.main([*run, "--views", "64"]) == (0 if words else 2), "views do not mix"
        assert work.read_manifest().least_edge == (64 if words else 0)
        boxes.append(next(iter(ShardPredictions.load(work.images.predictions(0)))).boxes)
    assert all(found.max() > 250 and (found <= [360, 240, 360, 240]).all() for found in boxes), "pixels of the file"


def test_from_images_to_boxes(tmp_path, teacher, capsys):
    images, rng = tmp_path / "in", np.random.default_rng(0)
    images.mkdir()
    for number in range(5):
        Image.fromarray(rng.integers(0, 255, (60 + number, 80, 3), np.uint8)).save(images / f"{number}.png")
    truth = {
        "images": [{"id": 7, "file_name": "4.png", "width": 80, "height": 64}],
        "categories": [{"id": 1, "name": "card"}, {"id": 2, "name": "page"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}],
    }
    (tmp_path / "val.json").write_text(json.dumps(truth))
    validation = ["--val-json", str(tmp_path / "val.json"), "--val-images", str(images)]
    work = WorkFolder(tmp_path / "work")
    (images / "5.png").write_bytes(b"")
    assert tool.main(["plan", str(work.root), str(images), "--shard-size", "3", *validation]) == 0
    (images / "1.png").write_bytes((images / "1.png").read_bytes()[:99])

    run = ["run", str(work.root), "--teacher", *teacher, "--num-workers", "1", "--views", "64,96f"]
    assert tool.main(run) == 2
    assert "the classes have no names: give --classes" in capsys.readouterr().err
    run += ["--classes", "card", "page"]
    assert tool.main([*run, "--max-failure-rate", "0.1"]) == 2
    assert "1 of 6 files are bad, as plan found, more than --max-failure-rate 0.1 allows" in capsys.readouterr().err
    assert tool.main(run) == 0
    out = capsys.readouterr().out
    assert (
        "1 failures, 1 bad files that plan left out (failures.jsonl)" in out and "; about " in out.splitlines()[0]
    )  # the end is told from here on
    found = list(ShardPredictions.load(work.images.predictions(0)))
    assert [image.image_id for image in found] == [1, 3] and len(work.read_manifest().views) == 2
    for image in found:
        assert len(image) and (np.diff(image.scores) <= 0).all() and image.scores.min() >= 0.05
        assert (image.boxes >= 0).all() and (image.boxes <= [80, 64, 80, 64]).all()
        assert set(image.votes.tolist()) <= {0.5, 1.0}
    assert [image.image_id for image in ShardPredictions.load(work.validation.predictions(0))] == [7]
    assert [row["reason"] for row in read_lines(work.failures_path)] == ["changed since it was planned", "0 bytes"]

    before = {path: path.read_bytes() for path in work.root.rglob("shard-*.npz")}
    work.images.predictions(1).unlink()
    assert tool.main(run) == 0
    assert {path: path.read_bytes() for path in work.root.rglob("shard-*.npz")} == before
    assert tool.main([*run, "--fusion", "nms"]) == 2
    assert "fusion: {'kind': 'wbf', 'iou': 0.55} -> {'kind': 'nms', 'iou': 0.5}" in capsys.readouterr().err
    assert tool.main(["status", str(work.root)]) == 0
    assert "shards: 2 of 2 done, 4 of 4 images" in capsys.readouterr().out
