from dataclasses import replace

import numpy as np

from dense_det.evaluation.evaluator import encode_masks
from dense_det.evaluation.shapes import draw_shapes

WHITE, RED = np.full((50, 100, 3), 255, np.uint8), (200, 0, 0)


def test_masks_and_corners_at_the_pictures_scale(make_truth):
    truth = make_truth([], num_images=1)
    detections = make_truth.detections(truth, [(0, 0, 20, 20, 80, 40, 0.9)])
    assert np.array_equal(draw_shapes(WHITE, 0.5, detections, [RED]), WHITE)  # a detector without either

    mask = np.zeros((1, 100, 200), bool)
    mask[0, 20:60, 20:100] = True
    masked = replace(detections, masks=np.array(encode_masks(mask), dtype=object))
    picture = draw_shapes(WHITE, 0.5, masked, [RED])
    assert (picture[11:29, 11:49] == (233, 153, 153)).all() and (picture[:9] == 255).all()

    corners = np.array([[[20.0, 20], [100, 20], [100, 60], [20, 60]]])
    outlined = draw_shapes(WHITE, 0.5, replace(detections, quads=corners), [RED])
    assert tuple(outlined[10, 30]) == RED and tuple(outlined[20, 50]) == RED and tuple(outlined[20, 30]) == (255,) * 3
