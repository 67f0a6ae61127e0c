import json

import numpy as np
import pytest

from dense_det.evaluation.detections import gather_detections, write_results


def prediction(image, boxes, scores, classes):
    return (
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(classes, np.int16),
    )


def test_order_is_by_image_and_score_whoever_comes_first(make_truth):
    truth = make_truth([])
    parts = [
        prediction(2, [[1, 2, 4, 6]], [0.5], [1]),
        prediction(0, [[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]], [0.25, 0.75, 0.25], [0, 1, 2]),
        prediction(1, [], [], []),
    ]
    for order in ([0, 1, 2], [2, 1, 0]):
        detections = gather_detections([parts[k] for k in order], truth)
        assert detections.image.tolist() == [0, 0, 0, 2] and detections.classes.tolist() == [1, 0, 2, 1]
        assert detections.boxes_xywh[-1].tolist() == [1, 2, 3, 4]
        assert detections.rows()[0].tolist() == [0, 0, 0, 2, 2, 0.75, 1]


def test_no_predictions(make_truth):
    truth = make_truth([])
    assert gather_detections([], truth).rows().shape == (0, 7)


def test_what_does_not_fit_is_named(make_truth):
    truth = make_truth([])
    with pytest.raises(ValueError, match="image_id 17"):
        gather_detections([prediction(17, [[0, 0, 1, 1]], [0.5], [0])], truth)
    with pytest.raises(ValueError, match="class 3, but the data set has only 3 classes"):
        gather_detections([prediction(0, [[0, 0, 1, 1]], [0.5], [3])], truth)


def test_nan_is_left_out_with_a_warning(make_truth, caplog):
    parts = [prediction(0, [[0, 0, np.nan, 1], [0, 0, 1, 1], [0, 0, 2, 2]], [0.9, 0.5, np.nan], [0, 1, 2])]
    detections = gather_detections(parts, make_truth([]))
    assert detections.classes.tolist() == [1] and "2 detections with NaN" in caplog.text


def test_results_have_the_ids_of_the_file(tmp_path, make_truth):
    truth = make_truth([])
    truth.images[1]["id"] = "page 1"
    truth.category_ids[:] = [10, 20, 30]
    write_results(
        tmp_path / "r.json", gather_detections([prediction("page 1", [[1, 2, 4, 6]], [0.5], [2])], truth), truth
    )
    assert json.loads((tmp_path / "r.json").read_text()) == [
        {"image_id": "page 1", "category_id": 30, "bbox": [1, 2, 3, 4], "score": 0.5}
    ]
    write_results(tmp_path / "none.json", gather_detections([], truth), truth)
    assert json.loads((tmp_path / "none.json").read_text()) == []
