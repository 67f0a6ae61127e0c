"""Masks and corners that a check names, and those that it lets pass."""

import pycocotools.mask as coco_mask
import pytest

from dense_det.data.check_masks import inspect_mask
from dense_det.data.check_values import is_quad

BOX, SIZE = [10, 20, 30, 40], (100, 80)
INSIDE = [10, 20, 40, 20, 40, 60, 10, 60]


def rle(polygon, compressed=True) -> dict:
    code = coco_mask.merge(coco_mask.frPyObjects([polygon], 80, 100))
    if compressed:
        return {"size": code["size"], "counts": code["counts"].decode()}
    flat = coco_mask.decode(code).reshape(-1, order="F").tolist()
    counts, value = [0], 0
    for pixel in flat:
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {"size": code["size"], "counts": counts}


@pytest.mark.parametrize("mask", [[INSIDE], rle(INSIDE), rle(INSIDE, False)])
def test_a_mask_within_its_box_is_good_and_one_that_reaches_out_is_named(mask):
    assert inspect_mask(mask, BOX, SIZE) == (None, mask)
    assert inspect_mask(mask, [12, 20, 28, 38], SIZE) == (None, mask)  # rounding of annotation tools
    for box in ([13, 20, 27, 40], [10, 23, 30, 37], [10, 20, 27, 40], [10, 20, 30, 37]):
        assert inspect_mask(mask, box, SIZE) == ("segmentation-outside-box", mask), box
    assert inspect_mask(mask, None, SIZE) == inspect_mask(mask, None, None) == (None, mask)


def test_a_mask_beyond_the_image_is_compared_with_the_box_on_the_image():
    assert inspect_mask([[-30, 20, 40, 20, 40, 90]], [0, 20, 40, 60], SIZE)[0] is None
    assert inspect_mask([[-30, 20, 40, 20, 40, 90]], [0, 20, 40, 60], None)[0] == "segmentation-outside-box"


def test_a_run_over_the_end_of_a_column_covers_the_height():
    mask = {"size": [80, 100], "counts": [70, 20, 7910]}  # the last 10 pixels of column 0, the first 10 of column 1
    assert inspect_mask(mask, [0, 0, 2, 80], SIZE) == (None, mask)
    assert inspect_mask(mask, [0, 0, 2, 70], SIZE)[0] == "segmentation-outside-box"


@pytest.mark.parametrize(
    "mask",
    [
        {"size": [80, 100], "counts": [8000]},
        {"size": [80, 100], "counts": [3000, 0, 5000]},
        [[10, 20, 30, 20, 40, 20]],
        [[5, 5, 5, 5, 5, 5]],
        [[20.1, 30.1, 20.3, 30.1, 20.3, 30.3, 20.1, 30.3]],  # 0.04 pixels
        [[20, 30, 20.6, 30, 20.6, 30.8, 20, 30.8], [30, 30, 30.7, 30, 30.7, 30.7, 30, 30.7]],  # 0.48 and 0.49
        [[0.1, 0.25, 0.4, 0.25, 0.4, 0.75, 0.1, 0.75]],  # shares of the image, not pixels
    ],
)
def test_a_mask_without_a_pixel_is_named_and_dropped(mask):
    assert inspect_mask(mask, BOX, SIZE) == ("segmentation-empty", None)


@pytest.mark.parametrize(
    ("polygons", "num_pixels"),
    [
        ([[20.3, 30.3, 21.3, 30.3, 21.3, 31.3, 20.3, 31.3]], 1),
        ([[10, 20.4, 40, 20.4, 40, 20.6, 10, 20.6]], 30),  # a hair, 30 x 0.2
        ([[20, 30, 20.8, 30, 20.8, 30.8, 20, 30.8], [30, 30, 30.8, 30, 30.8, 30.8, 30, 30.8]], 2),  # twice 0.64
    ],
)
def test_a_small_or_thin_mask_that_is_drawn_is_kept(polygons, num_pixels):
    assert coco_mask.area(coco_mask.merge(coco_mask.frPyObjects(polygons, 80, 100))) == num_pixels
    assert inspect_mask(polygons, BOX, SIZE) == (None, polygons)


def test_broken_masks_go_before_the_comparison():
    nan = float("nan")
    for mask in ([[1, 2, 3, 4]], [[*INSIDE, 1]], [[nan, *INSIDE[1:]]], {"size": [100, 80], "counts": [10, 7990]}):
        assert inspect_mask(mask, BOX, SIZE) == ("segmentation", None), mask
    assert inspect_mask([INSIDE, [1, 2]], [0, 0, 5, 5], SIZE) == ("segmentation-partly", [INSIDE])


def test_a_quad_is_eight_numbers_and_may_lie_outside():
    assert is_quad([-5, 0, 120.5, 0, 120, 90, -5, 90])
    for quad in ([1, 2, 3, 4], [[1, 2], [3, 4], [5, 6], [7, 8]], [float("nan")] * 8, ["1"] * 8, [True] * 8, "quad", 8):
        assert not is_quad(quad), quad
