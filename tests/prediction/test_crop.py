import numpy as np
import pytest

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
