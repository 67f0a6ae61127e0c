import json
import math

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json, register_coco_instances
from detectron2.evaluation import COCOEvaluator, inference_on_dataset
from detectron2.structures import Boxes, BoxMode, Instances
from PIL import Image

from dense_det.config import get_cfg
from dense_det.evaluation import build_evaluator
from dense_det.evaluation import evaluator as module

FILES = """coco_instances_results.json metrics.json metrics.csv per_class.csv per_class.md thresholds.json
    pr_curves.png confusion_matrix.png confusion_matrix.csv worst.png worst examples.png""".split()


@pytest.fixture
def dataset(tmp_path):
    """Five images, categories 2, 5, 9; the third has no ground truth; one crowd, one image with nothing on it."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for image in (4, 11, 12, 30, 31):
        images.append({"id": image, "file_name": f"{image}.png", "width": 160, "height": 120})
        Image.fromarray(rng.integers(200, 255, (120, 160, 3), dtype=np.uint8)).save(tmp_path / f"{image}.png")
        for row in range(0 if image == 31 else 4):
            x, y, w, h = rng.uniform(0, 60), rng.uniform(0, 60), rng.uniform(20, 80), rng.uniform(10, 50)
            annotations.append(
                {"id": len(annotations), "image_id": image, "category_id": (2, 5)[row % 2], "area": w * h,
                 "bbox": [x, y, w, h], "iscrowd": int(image == 4 and row == 3)}
            )  # fmt: skip
    categories = [{"id": 9, "name": "c"}, {"id": 2, "name": "a"}, {"id": 5, "name": "b"}]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    (tmp_path / "gt.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    name = f"evaluator_{tmp_path.name}"
    register_coco_instances(name, {}, str(tmp_path / "gt.json"), str(tmp_path))
    load_coco_json(str(tmp_path / "gt.json"), str(tmp_path), name)
    yield name
    DatasetCatalog.remove(name)
    MetadataCatalog.remove(name)


def outputs_of(record, seed, count=6):
    """Instances around the true boxes of a dataset dict, of all classes."""
    rng = np.random.default_rng(seed)
    rows = [
        (np.array([x, y, x + w, y + h]) + rng.normal(0, 2, 4), rng.random(), annotation["category_id"])
        for annotation in record["annotations"]
        for x, y, w, h in [annotation["bbox"]]
        if count
    ]
    rows += [(np.array([5, 5, 60, 40]) + rng.uniform(0, 50, 4), rng.random() / 2, k % 3) for k in range(count)]
    instances = Instances((120, 160))
    instances.pred_boxes = Boxes(torch.tensor(np.array([row[0] for row in rows]).reshape(-1, 4), dtype=torch.float32))
    instances.scores = torch.tensor([row[1] for row in rows], dtype=torch.float32)
    instances.pred_classes = torch.tensor([row[2] for row in rows], dtype=torch.int64)
    return {"instances": instances}


def evaluated(evaluator, dataset, **kwargs):
    evaluator.reset()
    for seed, record in enumerate(DatasetCatalog.get(dataset)):
        evaluator.process([record], [outputs_of(record, seed, **kwargs)])
    return evaluator.evaluate()


def test_all_numbers_are_detectron2_s(tmp_path, dataset):
    ours = evaluated(build_evaluator(get_cfg(), dataset), dataset)
    theirs = evaluated(COCOEvaluator(dataset, tasks=("bbox",), distributed=False, use_fast_impl=False), dataset)
    assert list(ours["bbox"]) == list(theirs["bbox"])
    for name, value in theirs["bbox"].items():
        assert ours["bbox"][name] == pytest.approx(value, abs=1e-9, nan_ok=True), name
    assert 5 < ours["bbox"]["AP"] < 95 and math.isnan(ours["bbox"]["AP-c"])


def test_what_is_left_in_the_folder(tmp_path, dataset):
    out = tmp_path / "out"
    results = evaluated(build_evaluator(get_cfg(), dataset, out), dataset)["bbox"]
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["images"] == 5 and metrics["ground_truth"] == 15
    assert metrics["bbox/AP"] == results["AP"] and metrics["bbox/AP-b"] == pytest.approx(results["AP-b"])
    assert metrics["bbox/AP-c"] is None and 0 < metrics["bbox/F1"] < 100
    # precision and recall over all classes agree with the pictures' counts in the confusion matrix's total
    thresholds = json.loads((out / "thresholds.json").read_text())
    assert list(thresholds) == ["a", "b", "c"] and thresholds["c"] is None and 0 < thresholds["a"]["threshold"] < 1
    found = json.loads((out / "coco_instances_results.json").read_text())
    assert {result["category_id"] for result in found} == {2, 5, 9} and len(found) == metrics["detections"]


def test_the_folder_is_the_same_for_any_order_of_images(tmp_path, dataset):
    records = DatasetCatalog.get(dataset)
    for name, order in (("one", records), ("two", records[::-1])):
        evaluator = build_evaluator(get_cfg(), dataset, tmp_path / name)
        for record in order:
            evaluator.process([record], [outputs_of(record, record["image_id"])])
        evaluator.evaluate()
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


def test_no_predictions_at_all(tmp_path, dataset, caplog):
    with caplog.at_level("INFO", logger=module.logger.name):
        results = evaluated(build_evaluator(get_cfg(), dataset, tmp_path / "out"), dataset, count=0)["bbox"]
    assert results["AP"] == results["AP50"] == results["AP-a"] == 0 and math.isnan(results["AP-c"])
    assert "APl -" in caplog.text and "| c " in caplog.text
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["bbox/recall"] == 0 and metrics["bbox/precision"] is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    assert build_evaluator(get_cfg(), dataset).evaluate()["bbox"]["AP"] == 0  # not even an image was processed


def test_parts_of_several_processes_are_put_together(tmp_path, dataset, monkeypatch):
    expected = evaluated(build_evaluator(get_cfg(), dataset), dataset)["bbox"]
    first, second = build_evaluator(get_cfg(), dataset), build_evaluator(get_cfg(), dataset)
    for seed, record in enumerate(DatasetCatalog.get(dataset)):
        (first, second)[seed % 2].process([record], [outputs_of(record, seed)])
    monkeypatch.setattr(module.comm, "gather", lambda mine, dst: [mine, second._predictions])
    assert json.dumps(first.evaluate()["bbox"]) == json.dumps(expected)
    monkeypatch.setattr(module.comm, "gather", lambda mine, dst: [])
    monkeypatch.setattr(module.comm, "is_main_process", lambda: False)
    assert second.evaluate() is None


def test_detectron2_s_loop_drives_it(dataset):
    records = DatasetCatalog.get(dataset)
    results = inference_on_dataset(
        lambda inputs: [outputs_of(record, record["image_id"]) for record in inputs],
        [records[:2], records[2:]],
        build_evaluator(get_cfg(), dataset),
    )
    assert 5 < results["bbox"]["AP"] < 95


def test_a_single_class_has_no_row_of_its_own(tmp_path):
    (tmp_path / "one.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "gone.png", "width": 90, "height": 90}],
                "annotations": [
                    {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
                ],
                "categories": [{"id": 1, "name": "card"}],
            }
        )
    )
    MetadataCatalog.get("evaluator_one").set(json_file=str(tmp_path / "one.json"), image_root=str(tmp_path))
    results = build_evaluator(get_cfg(), "evaluator_one", tmp_path / "out").evaluate()
    MetadataCatalog.remove("evaluator_one")
    assert list(results["bbox"]) == ["AP", "AP50", "AP75", "APs", "APm", "APl"]
    # its image has vanished: everything but the pictures is there
    assert not (tmp_path / "out" / "worst.png").exists() and (tmp_path / "out" / "pr_curves.png").exists()


def test_a_test_set_without_annotations_leaves_results_only(tmp_path):
    images = [{"id": 1, "file_name": "a.png", "width": 90, "height": 90}]
    (tmp_path / "test.json").write_text(json.dumps({"images": images, "categories": [{"id": 4, "name": "card"}]}))
    MetadataCatalog.get("evaluator_test").set(json_file=str(tmp_path / "test.json"))
    evaluator = build_evaluator(get_cfg(), "evaluator_test", tmp_path / "out")
    record = {"image_id": 1, "annotations": []}
    evaluator.process([record], [outputs_of(record, 0, count=1)])
    assert evaluator.evaluate() == {}
    MetadataCatalog.remove("evaluator_test")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["coco_instances_results.json"]


def test_a_data_set_that_is_no_coco_file_is_written_as_one(tmp_path):
    record = {
        "image_id": 3, "file_name": str(tmp_path / "3.png"), "width": 90, "height": 80,
        "annotations": [{"bbox": [0, 0, 50, 50], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0}],
    }  # fmt: skip
    Image.new("RGB", (90, 80)).save(tmp_path / "3.png")
    DatasetCatalog.register("evaluator_own", lambda: [record])
    MetadataCatalog.get("evaluator_own").set(thing_classes=["a", "b"])
    with pytest.raises(ValueError, match="'evaluator_own' has no COCO file"):
        build_evaluator(get_cfg(), "evaluator_own")
    evaluator = build_evaluator(get_cfg(), "evaluator_own", tmp_path / "out")
    instances = Instances((80, 90), pred_boxes=Boxes(torch.tensor([[0.0, 0, 50, 50]])), scores=torch.tensor([0.9]))
    instances.pred_classes = torch.tensor([0])
    evaluator.process([record], [{"instances": instances}])
    assert evaluator.evaluate()["bbox"]["AP"] == pytest.approx(100)
    assert (tmp_path / "out" / "examples.png").exists()  # its file names are whole paths
    DatasetCatalog.remove("evaluator_own")
    MetadataCatalog.remove("evaluator_own")
