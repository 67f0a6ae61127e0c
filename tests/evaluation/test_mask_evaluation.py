"""Masks, mask scores and corners, from a detector's outputs to numbers, files and pictures."""

import json

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json, register_coco_instances
from detectron2.evaluation import COCOEvaluator
from detectron2.structures import Boxes, Instances
from PIL import Image

from dense_det.config import get_cfg
from dense_det.evaluation import build_evaluator
from dense_det.evaluation.coco_ap import BACKENDS, coco_stats
from dense_det.evaluation.evaluator import encode_masks
from dense_det.evaluation.ground_truth import load_ground_truth

HEIGHT, WIDTH = 90, 120


def quad_of(rng) -> np.ndarray:
    """(4, 2) a tilted card, clockwise."""
    x, y, w, h, tilt = rng.uniform(5, 50), rng.uniform(15, 35), rng.uniform(25, 50), rng.uniform(20, 35), 6
    return np.array([[x, y], [x + w, y - tilt], [x + w + tilt, y + h - tilt], [x + tilt, y + h]])


def rle(mask: np.ndarray) -> dict:
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def filled(quad: np.ndarray) -> np.ndarray:
    polygon = [quad.reshape(-1).tolist()]
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygon, HEIGHT, WIDTH))).astype(bool)


def annotation(number: int, image: int, quad: np.ndarray, as_rle: bool) -> dict:
    low, high = quad.min(0), quad.max(0)
    mask = filled(quad)
    return {
        "id": number, "image_id": image, "category_id": 1 + number % 2, "iscrowd": 0, "area": int(mask.sum()),
        "bbox": [*low, *(high - low)], "quad": quad.reshape(-1).tolist(),
        "segmentation": rle(mask) if as_rle else [quad.reshape(-1).tolist()],
    }  # fmt: skip


@pytest.fixture
def dataset(tmp_path):
    """register(annotations) -> name; four photographs with two cards each, polygons and RLE, unless told otherwise."""
    names = []

    def register(change=lambda annotations: annotations) -> str:
        rng = np.random.default_rng(1)
        images = [{"id": k, "file_name": f"{k}.png", "width": WIDTH, "height": HEIGHT} for k in range(1, 5)]
        for image in images:
            pixels = rng.integers(150, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / image["file_name"])
        annotations = [annotation(n, 1 + n // 2, quad_of(rng), n % 3 == 0) for n in range(8)]
        for number, entry in enumerate(annotations, start=1):
            entry["id"] = number
        categories = [{"id": 1, "name": "card"}, {"id": 2, "name": "page"}]
        path = tmp_path / f"truth{len(names)}.json"
        path.write_text(json.dumps({"images": images, "annotations": change(annotations), "categories": categories}))
        name = f"masks_{tmp_path.name}_{len(names)}"
        register_coco_instances(name, {}, str(path), str(tmp_path))
        load_coco_json(str(path), str(tmp_path), name)
        names.append(name)
        return name

    yield register
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def outputs(truth_quads: list[np.ndarray], classes: list[int], seed: int) -> Instances:
    """Shifted masks of the true cards, and a false one; the box scores are not in the order of the masks' quality."""
    rng = np.random.default_rng(seed)
    quads = [quad + rng.normal(0, 4, 2) for quad in truth_quads] + [quad_of(rng)]
    instances = Instances((HEIGHT, WIDTH))
    boxes = [[*quad.min(0), *quad.max(0)] for quad in quads]
    instances.pred_boxes = Boxes(torch.tensor(np.array(boxes), dtype=torch.float32))
    instances.scores = torch.tensor(rng.uniform(0.3, 1, len(quads)), dtype=torch.float32)
    instances.pred_classes = torch.tensor([*classes, 0])
    instances.pred_masks = torch.from_numpy(np.stack([filled(quad) for quad in quads]))
    instances.mask_scores = instances.scores * torch.tensor(rng.uniform(0, 1, len(quads)), dtype=torch.float32)
    instances.pred_quads = torch.tensor(np.stack(quads), dtype=torch.float32)
    return instances


def evaluate(evaluator, name: str, change=lambda instances: None):
    evaluator.reset()
    truth = load_ground_truth(MetadataCatalog.get(name).json_file)
    for place, record in enumerate(DatasetCatalog.get(name)):
        rows = truth.image == place
        instances = outputs(list(truth.quads[rows]), truth.classes[rows].tolist(), place)
        change(instances)
        evaluator.process([record], [{"instances": instances}])
    return evaluator.evaluate()


def use_mask_scores(instances: Instances) -> None:
    instances.scores = instances.mask_scores


def test_box_and_mask_ap_are_detectron2_s_each_by_its_own_score(dataset):
    name = dataset()
    ours = evaluate(build_evaluator(get_cfg(), name), name)
    theirs = COCOEvaluator(name, tasks=("bbox", "segm"), distributed=False, use_fast_impl=False)
    boxes = evaluate(theirs, name)["bbox"]
    masks = evaluate(theirs, name, use_mask_scores)["segm"]
    for task, expected in (("bbox", boxes), ("segm", masks)):
        assert list(ours[task]) == list(expected)
        for metric, value in expected.items():
            assert ours[task][metric] == pytest.approx(value, abs=1e-9, nan_ok=True), (task, metric)
    assert 5 < ours["segm"]["AP"] < 95 and evaluate(theirs, name)["segm"]["AP"] != ours["segm"]["AP"]


def test_without_mask_scores_masks_are_ranked_as_boxes(dataset):
    name = dataset()
    ours = evaluate(build_evaluator(get_cfg(), name), name, lambda instances: instances.remove("mask_scores"))
    theirs = COCOEvaluator(name, tasks=("segm",), distributed=False, use_fast_impl=False)
    assert ours["segm"]["AP"] == pytest.approx(evaluate(theirs, name)["segm"]["AP"], abs=1e-9)


def test_objects_that_have_a_box_alone_are_judged_by_boxes_only(dataset):
    def strip(annotations):
        for entry in annotations[::2]:
            del entry["segmentation"]
        return annotations

    whole, partly = dataset(), dataset(strip)
    evaluator = build_evaluator(get_cfg(), partly)
    results = evaluate(evaluator, partly)
    assert results["bbox"] == pytest.approx(evaluate(build_evaluator(get_cfg(), whole), whole)["bbox"], nan_ok=True)
    # each of the four images keeps one mask; the mask on the other object is neither right nor wrong
    truth = load_ground_truth(MetadataCatalog.get(partly).json_file)
    coco = truth.coco(with_masks=True)
    assert [a["iscrowd"] for a in coco["annotations"]] == [1, 0] * 4
    perfect = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "score": 0.9, "segmentation": rle(filled(quad))}
        for a, quad in zip(coco["annotations"], truth.quads, strict=True)
    ]
    for backend in BACKENDS:
        assert coco_stats(coco, perfect, "segm", backend).percent("AP") == pytest.approx(100)


def test_a_data_set_without_masks_gives_boxes_alone(dataset):
    name = dataset(lambda annotations: [{k: v for k, v in a.items() if k != "segmentation"} for a in annotations])
    assert list(evaluate(build_evaluator(get_cfg(), name), name)) == ["bbox", "quad"]


def test_no_detections(dataset):
    name = dataset()
    results = evaluate(build_evaluator(get_cfg(), name), name, lambda instances: instances.scores.fill_(float("nan")))
    assert results["bbox"]["AP"] == results["segm"]["AP"] == results["quad"]["IoU"] == 0


def test_the_result_file_and_the_report(dataset, tmp_path):
    name = dataset()
    results = evaluate(build_evaluator(get_cfg(), name, tmp_path / "out"), name)
    rows = json.loads((tmp_path / "out" / "coco_instances_results.json").read_text())
    assert len(rows) == 12 and set(rows[0]) == {
        "image_id", "category_id", "bbox", "score", "segmentation", "mask_score", "quad"
    }  # fmt: skip
    mask, quad = coco_mask.decode(rows[0]["segmentation"]), np.array(rows[0]["quad"]).reshape(4, 2)
    assert mask.shape == (HEIGHT, WIDTH) and (mask.astype(bool) == filled(quad)).mean() > 0.99
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["segm/AP"] == results["segm"]["AP"] and metrics["quad/IoU"] == results["quad"]["IoU"]
    assert metrics["segm/AP-card"] == pytest.approx(results["segm"]["AP-card"])
    assert 40 < metrics["quad/IoU"] < 100 and metrics["quad/first_corner"] == 100
    assert (tmp_path / "out" / "examples.png").is_file()


def test_a_wrong_quad_is_named(dataset):
    name = dataset(lambda annotations: [annotations[0] | {"quad": [1, 2, 3]}])
    with pytest.raises(ValueError, match="annotation 1 has quad .1, 2, 3.*four\\s+corners"):
        evaluate(build_evaluator(get_cfg(), name), name)


def test_encoded_masks_by_hand():
    masks = np.zeros((2, 2, 3), bool)
    masks[0, 0, 0] = masks[1, 1, 2] = True
    encoded = encode_masks(masks)
    assert all(isinstance(one["counts"], str) and one["size"] == [2, 3] for one in encoded)
    assert np.array_equal(np.stack([coco_mask.decode(one) for one in encoded]), masks)
    assert encode_masks(np.zeros((0, 2, 3), bool)) == []
