"""Names of files of what was found; the rest is in test_job.py."""

import numpy as np
from PIL import Image

from dense_det.distillation.manifest import Manifest
from dense_det.distillation.rule import Rule
from dense_det.distillation.shard_file import ImagePredictions, ShardPredictions
from dense_det.distillation.work_folder import WorkFolder
from dense_det.prediction.drawings import Drawings, file_part
from dense_det.prediction.listing import list_images


def test_names_of_classes_in_names_of_files():
    assert file_part("Täble 表/x") == "Täble 表_x"
    assert file_part("a\0b\nc\ud800") == "a_b_c_"
    assert file_part("x" * 300) == "x" * 60
    assert file_part("表" * 300) == "表" * 40 and file_part("x" + "表" * 300) == "x" + "表" * 39


def test_classes_that_no_file_could_be_called(tmp_path):
    work, names = WorkFolder(tmp_path / "work"), ["nul\0l/", "表" * 200, "x" * 300]
    (tmp_path / "in").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "in" / ("long" * 50 + ".png"))
    list_images(work, [str(tmp_path / "in")], [])
    work.settle_manifest(Manifest(names, [], [], {}, 0.05, 100))
    ones, boxes = np.ones(3, np.float32), np.array([[1, 2, 30, 40]] * 3, np.float32)
    found = ImagePredictions(1, boxes, ones * 0.9, np.arange(3, dtype=np.int32), ones, ones)
    ShardPredictions.join([found]).save(work.images.predictions(0))
    assert not list(Drawings(tmp_path, work, True, True).draw(Rule(np.full(3, 0.5, np.float32), 1.0)))
    stem = "000001-" + "long" * 15
    crops = sorted(path.name for path in (tmp_path / "crops").iterdir())
    assert crops == [f"{stem}-1-nul_l_.png", f"{stem}-2-{'表' * 40}.png", f"{stem}-3-{'x' * 60}.png"]
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == [f"{stem}.jpg"]


def test_a_picture_too_long_for_a_jpeg_is_drawn_smaller_and_the_next_ones_follow(tmp_path):
    work = WorkFolder(tmp_path / "work")
    (tmp_path / "in").mkdir()
    for name, size in (("a.png", (20, 131_000)), ("b.png", (60, 40))):
        Image.new("RGB", size).save(tmp_path / "in" / name)
    list_images(work, [str(tmp_path / "in")], [])
    work.settle_manifest(Manifest(["card"], [], [], {}, 0.05, 100))
    one, box = np.ones(1, np.float32), np.array([[1, 2, 19, 40]], np.float32)
    found = [ImagePredictions(k, box, one, np.zeros(1, np.int32), one, one) for k in (1, 2)]
    ShardPredictions.join(found).save(work.images.predictions(0))
    assert not list(Drawings(tmp_path, work, True, True).draw(Rule(np.full(1, 0.5, np.float32), 1.0)))
    sizes = {path.name: Image.open(path).size for path in tmp_path.glob("[pc]*/*")}
    assert sizes == {
        "000001-a.jpg": (10, 65_500), "000002-b.jpg": (60, 40),
        "000001-a-1-card.png": (18, 38), "000002-b-1-card.png": (18, 38),
    }  # fmt: skip
