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
