"""Views: there and back again, and the defaults that a config gives."""

import numpy as np
import pytest

from dense_det.config import get_cfg
from dense_det.distillation.views import OWN_SIZE, View, build_views, look, parse_views

IMAGE = np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8)


def test_flip_by_hand():
    pixels, seen = look(IMAGE, View(OWN_SIZE, flip=True), 1000)
    assert (pixels == IMAGE[:, ::-1]).all()
    assert seen.to_view([[10, 20, 50, 60]]).tolist() == [[150, 20, 190, 60]]


def test_scale_by_hand():
    pixels, seen = look(IMAGE, View(50), 1000)
    assert pixels.shape == (50, 100, 3)
    assert seen.to_image([[10, 20, 50, 30]]).tolist() == [[20, 40, 100, 60]]
    assert look(IMAGE, View(50), 80)[0].shape == (40, 80, 3), "the longer edge is bounded"


@pytest.mark.parametrize("view", [View(37), View(37, True), View(451, True), View(OWN_SIZE, True)], ids=str)
def test_there_and_back(view):
    boxes = np.random.default_rng(1).uniform(0, 100, (50, 4))
    _, seen = look(IMAGE, view, 600)
    assert np.abs(seen.to_image(seen.to_view(boxes)) - boxes).max() < 1e-10


def test_a_mark_is_found_where_the_box_says():
    image = np.zeros((100, 200, 3), np.uint8)
    image[40:60, 20:80] = 255
    pixels, seen = look(image, View(50, flip=True), 1000)
    x0, y0, x1, y1 = seen.to_view([[20, 40, 80, 60]])[0].astype(int)
    assert pixels[y0:y1, x0:x1].min() > 100 and pixels.sum() < 1.1 * 255 * 3 * (y1 - y0) * (x1 - x0)


def test_defaults_follow_training():
    cfg = get_cfg()
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST = (640, 800), 720
    assert build_views(cfg) == (View(640), View(720), View(800))
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.AUGMENT.SCALE_RANGE = (300,), 300, [1.0, 1.5]
    cfg.INPUT.RANDOM_FLIP = "horizontal"
    assert build_views(cfg) == (View(300), View(300, True), View(450), View(450, True))


def test_parse():
    assert parse_views("320,480f, own") == (View(320), View(480, True), View(OWN_SIZE))
    assert ",".join(map(str, parse_views("320,480f,own,ownf"))) == "320,480f,own,ownf"
    for text, message in [("big", "'big'"), ("0", "'0'"), ("32,32", "twice"), ("", "''"), ("-5", "'-5'")]:
        with pytest.raises(ValueError, match=message):
            parse_views(text)
