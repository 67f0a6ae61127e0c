import builtins
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dense_det.evaluation import coco_ap as module
from dense_det.evaluation.coco_ap import STAT_NAMES, coco_stats


def truth_of(annotations, images=(1,), categories=(1,)):
    return {
        "images": [{"id": i, "width": 640, "height": 480} for i in images],
        "categories": [{"id": k, "name": f"class {k}"} for k in categories],
        "annotations": [
            {"id": row + 1, "iscrowd": 0, "area": a["bbox"][2] * a["bbox"][3], **a} for row, a in enumerate(annotations)
        ],
    }


def box(image, category, bbox, **more):
    return {"image_id": image, "category_id": category, "bbox": list(bbox), **more}


def random_set(seed, num_images=8, categories=(1, 2, 5, 7), boxes=12, noise=6, tie=2, images=None):
    """Crowds, empty images, images without ground truth, classes without either, ties, all sizes, foreign areas."""
    rng = np.random.default_rng(seed)
    images = images or [3 * k + 1 for k in range(num_images)]
    annotations, detections = [], []
    for image in images:
        if rng.random() < 0.2:
            continue  # nothing at all
        has_truth = rng.random() > 0.2
        for _ in range(rng.integers(1, boxes + 1)):
            x, y = rng.uniform(0, 400, 2)
            w, h = np.exp(rng.uniform(1.5, 5.5, 2))  # 4 ... 245 pixels: small, medium and large
            category = int(rng.choice(categories[:-1]))  # the last has no ground truth
            if has_truth:
                crowd = int(rng.random() < 0.15)
                area = w * h * rng.choice([1.0, 0.4])  # a mask's area is smaller than the box's
                annotations.append(box(image, category, [x, y, w, h], area=area, iscrowd=crowd))
            for _ in range(rng.integers(0, 4)):
                shaken = np.array([x, y, w, h]) + rng.normal(0, noise, 4) * [1, 1, 0.5, 0.5]
                shaken[2:] = np.maximum(shaken[2:], 1)
                # class 2 is never detected
                found = 7 if rng.random() < 0.1 else 1 if category == 2 else category
                score = round(float(rng.random()), tie)
                detections.append(box(image, found, shaken.tolist(), score=score))
    return truth_of(annotations, images, categories), detections


def crowded_image():
    """More than 100 detections of one class on one image, many on a crowd."""
    rng = np.random.default_rng(5)
    annotations = [box(1, 1, [10 * k, 20, 9, 40]) for k in range(50)] + [box(1, 1, [0, 200, 500, 200], iscrowd=1)]
    detections = [
        box(1, 1, [10 * (k % 50) + rng.normal(), 20, 9, 40], score=0.5 + 0.4 * rng.random()) for k in range(130)
    ]
    detections += [box(1, 1, [rng.uniform(0, 400), 220, 60, 60], score=0.95) for k in range(30)]
    return truth_of(annotations), detections


SETS = {
    "crowds, empty images, ties": random_set(0),
    "coarse ties": random_set(1, num_images=20, tie=1),
    "tight boxes": random_set(2, num_images=12, noise=1, boxes=30),
    "over 100 detections": crowded_image(),
    "no detections": (random_set(3)[0], []),
    "no ground truth": (truth_of([], images=(1, 2)), [box(1, 1, [0, 0, 9, 9], score=0.5)]),
    "images unsorted": random_set(4, images=[50, 3, 999, 7, 12, 1]),
}


@pytest.mark.parametrize("name", SETS)
def test_hotcoco_equals_pycocotools_in_all_twelve_numbers(name):
    fast, reference = (coco_stats(*SETS[name], backend=backend) for backend in ("hotcoco", "pycocotools"))
    assert len(STAT_NAMES) == 12
    np.testing.assert_array_equal(fast.stats, reference.stats)
    np.testing.assert_array_equal(fast.precision, reference.precision)
    np.testing.assert_array_equal(fast.recall, reference.recall)
    np.testing.assert_array_equal(fast.class_ap(), reference.class_ap())
    assert fast.category_ids == reference.category_ids


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 10**6), num_images=st.integers(1, 6), boxes=st.integers(1, 25),
    noise=st.sampled_from([0, 1, 8]), tie=st.sampled_from([1, 6]),
)  # fmt: skip
def test_backends_agree_on_random_sets(seed, num_images, boxes, noise, tie):
    data = random_set(seed, num_images, boxes=boxes, noise=noise, tie=tie)
    fast, reference = (coco_stats(*data, backend=backend) for backend in ("hotcoco", "pycocotools"))
    np.testing.assert_array_equal(fast.stats, reference.stats)
    np.testing.assert_array_equal(fast.precision, reference.precision)


def test_masks_are_compared_as_masks():
    # two triangles of one square: the boxes are equal, the masks share nothing but the diagonal
    upper, lower = [[0, 0, 100, 0, 0, 100]], [[100, 100, 100, 0, 0, 100]]
    truth = truth_of([box(1, 1, [0, 0, 100, 100], segmentation=upper, area=5000)])
    for backend in module.BACKENDS:
        other = [{"image_id": 1, "category_id": 1, "segmentation": _rle(lower), "score": 0.9}]
        same = [{"image_id": 1, "category_id": 1, "segmentation": _rle(upper), "score": 0.9}]
        assert coco_stats(truth, other, "segm", backend).stats[0] == 0
        assert coco_stats(truth, same, "segm", backend).stats[0] == pytest.approx(1)
        assert coco_stats(truth, [box(1, 1, [0, 0, 100, 100], score=0.9)], "bbox", backend).stats[0] == pytest.approx(1)


def _rle(polygons):
    from pycocotools import mask

    rle = mask.merge(mask.frPyObjects(polygons, 480, 640))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


@pytest.mark.parametrize("backend", module.BACKENDS)
def test_two_boxes_by_hand(backend):
    # found, false, found: precision 1 up to recall 1/2 (51 of 101 points), then 2/3
    truth = truth_of([box(1, 1, [0, 0, 100, 100]), box(1, 1, [200, 0, 100, 100])])
    detections = [
        box(1, 1, [0, 0, 100, 100], score=0.9),
        box(1, 1, [400, 0, 100, 100], score=0.8),
        box(1, 1, [200, 0, 100, 100], score=0.7),
    ]
    stats = coco_stats(truth, detections, backend=backend)
    expected = (51 + 50 * 2 / 3) / 101
    assert stats.stats[0] == pytest.approx(expected) and stats.percent("AP50") == pytest.approx(100 * expected)
    assert stats.class_ap(0.75) == pytest.approx([expected])
    assert np.isnan(stats.percent("APs")) and stats.percent("APl") == pytest.approx(100 * expected)


def test_iou_of_one_threshold():
    # IoU 0.8: right at 0.5 ... 0.8, wrong at 0.85, 0.9, 0.95
    stats = coco_stats(truth_of([box(1, 1, [0, 0, 100, 100])]), [box(1, 1, [0, 0, 100, 80.1], score=1)])
    assert [stats.class_ap(iou)[0] for iou in (0.5, 0.8, 0.85)] == pytest.approx([1, 1, 0])
    assert stats.class_ap() == pytest.approx([0.7])


def test_class_ap_is_nan_without_ground_truth_and_zero_without_detections():
    stats = coco_stats(*random_set(0))
    assert stats.category_ids == [1, 2, 5, 7]
    assert np.isnan(stats.class_ap()[3]) and stats.class_ap()[1] == 0 and stats.class_ap()[0] > 0


def test_paths_dicts_and_arrays_are_equal_and_inputs_stay(tmp_path):
    truth, detections = random_set(6)
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "dt.json").write_text(json.dumps(detections))
    rows = np.array([[d["image_id"], *d["bbox"], d["score"], d["category_id"]] for d in detections])
    before = json.dumps([truth, detections])
    expected = coco_stats(truth, detections, backend="pycocotools").stats
    assert json.dumps([truth, detections]) == before
    for backend in module.BACKENDS:
        np.testing.assert_array_equal(
            coco_stats(tmp_path / "gt.json", tmp_path / "dt.json", backend=backend).stats, expected
        )
        np.testing.assert_array_equal(coco_stats(truth, rows, backend=backend).stats, expected)


@pytest.mark.parametrize("backend", module.BACKENDS)
@pytest.mark.parametrize("as_array", [False, True])
def test_results_of_another_data_set_are_refused(backend, as_array):
    detections = [box(77, 1, [0, 0, 9, 9], score=0.5)]
    if as_array:
        detections = np.array([[77, 0, 0, 9, 9, 0.5, 1.0]])
    with pytest.raises(ValueError, match="1 images that are not in the ground truth .image_id 77"):
        coco_stats(truth_of([box(1, 1, [0, 0, 9, 9])]), detections, backend=backend)


def test_unknown_names_are_answered_with_known_ones():
    with pytest.raises(ValueError, match="did you mean 'hotcoco'"):
        coco_stats(truth_of([]), [], backend="hotcocoa")
    with pytest.raises(ValueError, match="iou_type named 'segmentation'.*bbox, segm"):
        coco_stats(truth_of([]), [], iou_type="segmentation")


def test_without_hotcoco_pycocotools_takes_over(monkeypatch, caplog):
    expected = coco_stats(*random_set(0)).stats
    real_import = builtins.__import__

    def no_hotcoco(name, *args, **kwargs):
        if name.split(".")[0] == "hotcoco":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_hotcoco)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with caplog.at_level("INFO", logger=module.logger.name):
        np.testing.assert_array_equal(coco_stats(*random_set(0)).stats, expected)
    assert "hotcoco is not installed" in caplog.text
