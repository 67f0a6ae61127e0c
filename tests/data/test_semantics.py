import numpy as np
import pytest
import torch
from detectron2.data import transforms as T
from PIL import Image

from dense_det.config import get_cfg
from dense_det.data.augmentation import CanvasTransform
from dense_det.data.mapper import build_mapper
from dense_det.data.semantics import read_classes, transformed_classes

QUARTERS = np.array([[0, 1], [2, 255]], np.uint8).repeat(10, 0).repeat(20, 1)  # (20, 40)


def test_classes_follow_the_pixels_by_hand():
    # to half the size, 5 pixels to the right: the canvas begins with pixels that no class has, and so it ends
    canvas = CanvasTransform((20, 40), (10, 30), (10, 20), (5, 0))
    moved = transformed_classes(QUARTERS, T.TransformList([canvas]), ignore_value=77)
    row = [77] * 5 + [0] * 10 + [1] * 10 + [77] * 5
    assert moved.dtype == torch.int64 and moved.shape == (10, 30) and moved[0].tolist() == row
    assert moved[9].tolist() == [77] * 5 + [2] * 10 + [255] * 10 + [77] * 5
    mirrored = transformed_classes(QUARTERS, T.TransformList([canvas, T.HFlipTransform(30)]), 77)
    assert torch.equal(mirrored, moved.flip(1))


def test_a_palette_is_no_grey(tmp_path):
    image = Image.fromarray(QUARTERS)
    coloured = Image.new("P", (40, 20))
    coloured.putdata(QUARTERS.reshape(-1).tolist())
    coloured.putpalette([k for k in range(256) for _ in "rgb"][::-1])
    for name, picture in (("grey.png", image), ("palette.png", coloured)):
        picture.save(tmp_path / name)
        assert np.array_equal(read_classes(tmp_path / name, (20, 40)), QUARTERS), name


def test_what_is_wrong_is_named(tmp_path):
    Image.fromarray(QUARTERS).convert("RGB").save(tmp_path / "rgb.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    for name, says in (("rgb.png", "got .20, 40, 3."), ("broken.png", "cannot be read"), ("gone.png", "No such file")):
        with pytest.raises(ValueError, match=says):
            read_classes(tmp_path / name, (20, 40))


def test_the_mapper_gives_them_in_training_alone(tmp_path):
    cfg = get_cfg()
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.RANDOM_FLIP = (10,), 10, "none"
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg")
    Image.fromarray(QUARTERS).save(tmp_path / "a.png")
    record = {"file_name": str(tmp_path / "a.jpg"), "sem_seg_file_name": str(tmp_path / "a.png"), "image_id": 1,
              "height": 20, "width": 40, "annotations": []}  # fmt: skip
    mapped = build_mapper(cfg, is_train=True, with_annotations=True)(record)
    assert mapped["sem_seg"].tolist() == QUARTERS[::2, ::2].tolist() and mapped["image"].shape[1:] == (10, 20)
    assert "sem_seg" not in build_mapper(cfg, is_train=False, with_annotations=False)(record)
