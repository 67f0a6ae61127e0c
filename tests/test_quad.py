import cv2
import numpy as np
import pytest

from dense_det.quad import _refine, mask_to_quad, masks_to_quads, start_at_top_left


def turned(width, height, degrees, centre=(150, 120)) -> np.ndarray:
    """(4, 2) corners of a rectangle, its own top left first."""
    a = np.radians(degrees)
    flat = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    return flat @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + centre


def filled(quad, size=(240, 300)) -> np.ndarray:
    """Pixels whose centres lie in a quad."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    inside = np.ones(size, bool)
    for (ax, ay), (bx, by) in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
    return inside


def corner_error(found, true) -> float:
    return float(np.linalg.norm(found - true, axis=1).max())


@pytest.mark.parametrize("degrees", [-40, -17, -3, 0, 1, 8, 30, 44])
@pytest.mark.parametrize("size", [(180, 110), (60, 90)])
def test_a_turned_rectangle_to_a_pixel(degrees, size):
    true = turned(*size, degrees)
    assert corner_error(mask_to_quad(filled(true)), true) < 1


def test_an_upright_one_to_its_pixels_edges():
    mask = np.zeros((60, 80), bool)
    mask[20:50, 10:70] = True
    assert np.allclose(mask_to_quad(mask), [[10, 20], [70, 20], [70, 50], [10, 50]], atol=0.05)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 5), (5, 1), (3, 20), (20, 2), (1, 40)])
def test_a_tiny_mask_is_its_pixels(size):
    width, height = size
    mask = np.zeros((60, 60), bool)
    mask[5 : 5 + height, 7 : 7 + width] = True
    box = [[7, 5], [7 + width, 5], [7 + width, 5 + height], [7, 5 + height]]
    assert np.allclose(mask_to_quad(mask), box, atol=1e-4)


def test_a_row_of_pixels_along_the_diagonal_has_an_area():
    mask = np.eye(3, dtype=bool)
    # of the hull (0, 0), (1, 0), (3, 2), (3, 3), (2, 3), (0, 1), half a pixel is cut at one end or at both
    assert 3 <= cv2.contourArea(mask_to_quad(mask).astype(np.float32)) <= 5


def test_where_lines_tell_two_corners_alone_the_others_are_the_outer_ones_of_their_pixels():
    y, x = np.mgrid[10:31, 10:41]
    around = (x == 10) | (x == 40) | (y == 10) | (y == 30)
    no_left_side = around & ((x > 10) | (y == 10) | (y == 30))
    outline = np.stack([x[no_left_side], y[no_left_side]], axis=1) + 0.5
    corners = np.array([[10.5, 10.5], [40.5, 10.5], [40.5, 30.5], [10.5, 30.5]])
    assert np.allclose(_refine(corners, outline), [[10, 10], [41, 10], [41, 31], [10, 31]], atol=1e-4)


def test_a_card_seen_from_the_side():
    true = np.array([[40.0, 60], [230, 30], [250, 200], [60, 170]])
    assert corner_error(mask_to_quad(filled(true)), true) < 1


@pytest.mark.parametrize("degrees", [0, 12, -30])
def test_round_corners_of_a_predicted_mask(degrees):
    true = turned(170, 108, degrees)
    low, high = true.min(0), true.max(0)
    # 28 x 28 probabilities in the box, as a mask head gives them, laid on the picture
    scale = 280 / (high - low)
    fine = filled((true - low) * scale, (280, 280)).astype(np.float32)
    small = cv2.resize(fine, (28, 28), interpolation=cv2.INTER_AREA)
    w, h = np.round(high - low).astype(int)
    mask = np.zeros((240, 300), bool)
    x, y = np.round(low).astype(int)
    mask[y : y + h, x : x + w] = cv2.resize(small, (int(w), int(h)), interpolation=cv2.INTER_LINEAR) >= 0.5
    assert corner_error(mask_to_quad(mask), true) < 0.02 * np.hypot(170, 108)


def test_corners_are_in_order():
    for degrees in (-40, 0, 40):
        true = turned(120, 80, degrees)
        for shift in range(4):
            assert np.allclose(start_at_top_left(np.roll(true, shift, axis=0)), true)
            assert np.allclose(start_at_top_left(np.roll(true[::-1], shift, axis=0)), true)


def test_shapes_that_are_no_cards():
    for points in ([[50, 50]], [[50, 50], [90, 50]], [[40, 40], [120, 60], [70, 130]]):
        mask = np.zeros((200, 200), np.uint8)
        cv2.fillPoly(mask, [np.array(points, np.int32)], 1)
        quad = mask_to_quad(mask.astype(bool))
        assert quad.shape == (4, 2) and np.isfinite(quad).all()
        assert (quad > 0).all() and (quad < 200).all()


def test_of_two_parts_the_larger_counts():
    true = turned(100, 60, 10)
    mask = filled(true)
    mask[5:12, 5:12] = True
    assert corner_error(mask_to_quad(mask), true) < 1


def test_an_empty_mask_is_its_box():
    masks = np.zeros((2, 50, 60), bool)
    masks[1, 10:30, 20:50] = True
    quads = masks_to_quads(masks, np.array([[1.0, 2, 30, 40], [19.6, 9.7, 50.2, 30.4]]))
    assert quads.dtype == np.float32
    assert quads[0].tolist() == [[1, 2], [30, 2], [30, 40], [1, 40]]
    assert np.allclose(quads[1], [[20, 10], [50, 10], [50, 30], [20, 30]], atol=0.05)
    assert masks_to_quads(masks[:0], np.zeros((0, 4))).shape == (0, 4, 2)
