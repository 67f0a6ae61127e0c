import numpy as np
import pytest
from pycocotools import mask as coco_mask

from dense_det.data.idcards.polygons import mask_box, mask_polygons, without_specks


def decoded(polygons, shape):
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *shape)))


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def test_a_rectangle_comes_back_exactly():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:50] = 1
    assert mask_box(mask) == [20, 10, 30, 20]
    assert (decoded(mask_polygons(mask), mask.shape) == mask).all()


def test_a_hole_stays_a_hole():
    mask = np.zeros((60, 60), np.uint8)
    mask[5:55, 5:55] = 1
    mask[20:40, 25:35] = 0
    polygons = mask_polygons(mask)
    assert len(polygons) == 2
    assert overlap(decoded(polygons, mask.shape), mask) > 0.97


def test_two_parts_and_a_slanted_one():
    y, x = np.mgrid[:80, :100]
    mask = ((x + 2 * y > 90) & (x - y < 60)).astype(np.uint8)
    mask[:, 40:46] = 0
    assert overlap(decoded(mask_polygons(mask), mask.shape), mask) > 0.98


@pytest.mark.parametrize("value", [0, 1])
def test_specks_go(value):
    mask = np.full((30, 30), 1 - value, np.uint8)
    mask[5:20, 5:20] = value
    clean = mask.copy()
    mask[25:27, 25:27] = value
    assert (without_specks(mask) == clean).all()
