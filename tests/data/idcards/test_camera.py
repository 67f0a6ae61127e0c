import cv2
import numpy as np
import pytest

from dense_det.data.idcards.camera import SUPERSAMPLED, document_mask, draw_pose, mask_polygons, warp_document

FRAME = (80, 60)
UPRIGHT = np.array([[10, 20], [50, 20], [50, 45], [10, 45]], dtype=float)


def test_corners_go_to_corners():
    document = np.zeros((25, 40, 3), np.uint8)
    document[:5, :8] = (255, 0, 0)  # its own top left
    seen = warp_document(document, UPRIGHT, FRAME)
    assert seen.shape == (60, 80, 3)
    assert (seen[20:25, 10:18] == (255, 0, 0)).all() and not seen[25:45, 18:50].any()
    # turned by half: its first corner is at the lower right
    turned = warp_document(document, np.roll(UPRIGHT, 2, axis=0), FRAME)
    assert (turned[41:45, 43:50] == (255, 0, 0)).all() and not turned[20:40, 10:42].any()


def test_the_mask_is_the_document_to_a_quarter_of_a_pixel():
    mask = document_mask((40, 25), 0, UPRIGHT, FRAME)
    assert mask.shape == (60 * SUPERSAMPLED, 80 * SUPERSAMPLED)
    assert mask.sum() / SUPERSAMPLED**2 == pytest.approx(40 * 25, rel=0.035)  # OpenCV fills the outline, too
    (polygon,) = mask_polygons(mask)
    points = np.reshape(polygon, (-1, 2))
    assert np.abs(points.min(0) - UPRIGHT.min(0)).max() <= 0.25 and np.abs(points.max(0) - UPRIGHT.max(0)).max() <= 0.25


def test_round_corners_take_what_a_circle_leaves_of_its_square():
    square = document_mask((40, 25), 0, UPRIGHT, FRAME).sum()
    round_ = document_mask((40, 25), 10, UPRIGHT, FRAME).sum()
    assert (square - round_) / SUPERSAMPLED**2 == pytest.approx((4 - np.pi) * 100, rel=0.12)


def test_a_mask_in_two_parts_and_a_speck():
    mask = np.zeros((120, 160), np.uint8)
    mask[10:40, 10:40] = mask[10:40, 100:130] = 1
    mask[100:104, 100:104] = 1
    assert len(mask_polygons(mask)) == 2 and mask_polygons(np.zeros_like(mask)) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_pose_is_a_convex_quad_seen_from_its_front_mostly_in_the_frame(seed):
    quad = draw_pose(np.random.default_rng(seed), (640, 404), (640, 480), (0.5, 0.9))
    assert cv2.isContourConvex(quad.astype(np.float32))
    x, y = quad.T
    assert np.dot(x, np.roll(y, -1)) > np.dot(y, np.roll(x, -1))  # clockwise, y down: no mirrored document
    centre = quad.mean(0)
    assert (0 < centre).all() and (centre < (640, 480)).all()
