import numpy as np
import pytest

from dense_det.prediction import crop as crop_module
from dense_det.prediction.crop import LONGEST, crop_box, straighten

PICTURE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def test_a_box_is_cut_at_the_edge():
    assert np.array_equal(crop_box(PICTURE, [-3, 1.2, 2.5, 3.9]), PICTURE[1:4, 0:3])
    assert crop_box(PICTURE, [9, 0, 12, 3]) is None and crop_box(PICTURE, [2, 2, 2, 5]) is None


def test_an_upright_quad_is_its_box():
    assert np.array_equal(straighten(PICTURE, [(2, 1), (6, 1), (6, 4), (2, 4)]), PICTURE[1:4, 2:6])


def test_a_turned_quad_is_turned_back():
    # the card's top left corner is the picture's top right one: it was turned by 90 degrees to the right
    turned = straighten(PICTURE, [(8, 0), (8, 6), (0, 6), (0, 0)])
    assert np.array_equal(turned, np.rot90(PICTURE))


def test_what_lies_outside_is_black():
    crop = straighten(PICTURE, [(6, 0), (10, 0), (10, 2), (6, 2)])
    assert crop.shape == (2, 4, 3) and (crop[:, 2:] == 0).all() and np.array_equal(crop[:, :2], PICTURE[:2, 6:])


@pytest.mark.parametrize("quad", [[(1, 1)] * 4, [(0, 0), (5, 0), (5, 0.2), (0, 0.2)]])
def test_nothing_to_see(quad):
    assert straighten(PICTURE, quad) is None


def test_corners_far_apart_are_made_smaller():
    assert straighten(PICTURE, [(0, 0), (1e5, 0), (1e5, 5e4), (0, 5e4)]).shape == (LONGEST // 2, LONGEST, 3)


def test_no_long_picture_is_warped_whole(monkeypatch):
    """OpenCV 4 refuses one with an edge of 32,767 pixels or more; here is another OpenCV, perhaps."""
    seen, warp = [], crop_module.cv2.warpPerspective
    monkeypatch.setattr(
        crop_module.cv2, "warpPerspective", lambda image, *w, **k: seen.append(image) or warp(image, *w, **k)
    )
    picture = np.random.default_rng(0).integers(0, 256, (66_000, 40, 3), np.uint8)
    for top in (0, 40_000, 65_980):
        crop = straighten(picture, [(10, top), (30, top), (30, top + 20), (10, top + 20)])
        assert np.array_equal(crop, picture[top : top + 20, 10:30])
    assert straighten(picture, [(90, 10), (95, 10), (95, 20), (90, 20)]).shape == (10, 5, 3)
    # all of it, 16.1 times smaller: the upper half white, the lower one black
    picture[:33_000], picture[33_000:] = 255, 0
    whole = straighten(picture, [(0, 0), (40, 0), (40, 66_000), (0, 66_000)])
    assert whole.shape == (LONGEST, 2, 3) and (whole[:2040] == 255).all() and (whole[2056:] == 0).all()
    assert max(max(image.shape) for image in seen) == LONGEST
