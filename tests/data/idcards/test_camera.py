import numpy as np
import pytest

from dense_det.data.idcards.camera import Pose, homography, project, quad_area, random_pose, warp


def test_identity_camera_keeps_every_pixel():
    quad = project((100, 60), Pose(center=(60, 50)), (640, 480))
    assert quad.tolist() == [[10, 20], [110, 20], [110, 80], [10, 80]]
    image = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)
    seen = warp(image, quad, (640, 480))
    assert (seen[20:80, 10:110] == image).all() and seen.sum() == image.sum()


def test_a_quarter_turn_clockwise_and_upside_down():
    quarter = project((100, 60), Pose(center=(60, 50), turn=np.pi / 2), (640, 480))
    np.testing.assert_allclose(quarter, [[90, 0], [90, 100], [30, 100], [30, 0]], atol=1e-9)
    # the document's own top left is at the lower right of the picture
    upside_down = project((100, 60), Pose(center=(60, 50), turn=np.pi), (640, 480))
    np.testing.assert_allclose(upside_down, [[110, 80], [10, 80], [10, 20], [110, 20]], atol=1e-9)


def test_what_is_farther_away_is_smaller():
    quad = project((100, 100), Pose(center=(0, 0), tilt=(0.5, 0)), (100, 100))
    top, bottom = quad[1, 0] - quad[0, 0], quad[2, 0] - quad[3, 0]
    # y is turned towards z by sin(0.5): the lower edge lies 24 pixels farther away, at a focal length of 130
    depth = 50 * np.sin(0.5)
    assert bottom == pytest.approx(100 * 130 / (130 + depth)) and top == pytest.approx(100 * 130 / (130 - depth))


def test_homography_takes_corners_to_the_quad():
    quad = project((80, 50), Pose((70, 60), 1.4, 0.3, (0.4, -0.2)), (160, 120))
    points = np.array([[0, 0, 1], [80, 0, 1], [80, 50, 1], [0, 50, 1]]) @ homography((80, 50), quad).T
    np.testing.assert_allclose(points[:, :2] / points[:, 2:], quad, atol=1e-3)


def test_area_and_direction():
    assert quad_area(np.array([[0, 0], [4, 0], [4, 3], [0, 3.0]])) == 12
    for seed in range(50):
        rng = np.random.default_rng(seed)
        quad = project((86, 54), random_pose(rng, (86, 54), (640, 480), (0.4, 1.0)), (640, 480))
        x, y = quad.T
        # clockwise on the screen, where y runs down
        assert np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0
