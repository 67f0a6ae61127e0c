"""Labels from a small work folder, whose boxes are known."""

import argparse
import json

import numpy as np
import pytest

from dense_det.data.catalog import register_coco
from dense_det.distillation.commands import select
from dense_det.distillation.rule import KEPT, REJECTED, UNSURE, Rule, read_rule


def run_select(root, *options):
    parser = argparse.ArgumentParser()
    select.add_arguments(parser)
    return list(select.main(parser.parse_args([str(root / "work"), "--out", str(root / "pseudo.json"), *options])))


def test_verdicts_by_hand(predictions):
    rule = Rule(np.array([0.8, np.inf], np.float32), ignore_share=0.5, min_votes=0.6)
    found = predictions(1, (0.9, 0, 1), (0.9, 0, 0.5), (0.4, 0, 1), (0.39, 0, 1), (0.99, 1, 1))
    assert rule.verdicts(found).tolist() == [KEPT, UNSURE, UNSURE, REJECTED, REJECTED]
    with pytest.raises(ValueError, match="ignore_share"):
        Rule(np.zeros(1, np.float32), ignore_share=1.5)


def test_density_writes_the_best_boxes(tmp_path, labelled_work):
    manifest = labelled_work().read_manifest()
    lines = run_select(tmp_path)  # 3 objects on 3 labelled images: the three best of 3 images
    assert lines[-2].endswith("pseudo.json: 2 images, 3 labels, 2 ignore regions")
    assert lines[-1] == "images without a label: 1, dropped"
    coco = json.loads((tmp_path / "pseudo.json").read_text())
    assert [image["id"] for image in coco["images"]] == [1, 2]
    assert coco["categories"] == [{"id": 1, "name": "Table"}, {"id": 2, "name": "Text"}]
    assert coco["annotations"][0] == {
        "id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 5, 8, 10], "area": 80, "iscrowd": 0,
        "score": 0.9, "votes": 1, "spread": 0.1,
    }  # fmt: skip
    assert [(a["image_id"], a["score"], a["iscrowd"]) for a in coco["annotations"]] == [
        (1, 0.9, 0), (1, 0.6, 0), (1, 0.5, 1), (2, 0.8, 0), (2, 0.3, 1),
    ]  # fmt: skip
    assert coco["info"]["pseudo_labels"]["manifest_sha256"] == manifest.sha256
    rule, about = read_rule(tmp_path / "pseudo.json", manifest)
    assert rule.thresholds == pytest.approx([0.6, 0.6]) and about["kept"] == {"Table": 2, "Text": 1}


def test_options(tmp_path, labelled_work):
    labelled_work()
    run_select(tmp_path, "--per-class", "--empty", "keep", "--min-votes", "0.7")
    coco = json.loads((tmp_path / "pseudo.json").read_text())
    assert len(coco["images"]) == 3
    assert [a["score"] for a in coco["annotations"] if not a["iscrowd"]] == [0.9, 0.5, 0.8]
    assert [a["score"] for a in coco["annotations"] if a["iscrowd"]] == [0.6, 0.3]


def test_the_file_is_for_training(tmp_path, labelled_work):
    from detectron2.data import DatasetCatalog

    labelled_work()
    run_select(tmp_path)
    register_coco("pseudo_for_training", tmp_path / "pseudo.json", tmp_path)
    records = DatasetCatalog.get("pseudo_for_training")
    assert [r["file_name"] for r in records] == [str(tmp_path / "1.jpg"), str(tmp_path / "2.jpg")]
    assert [a["category_id"] for a in records[0]["annotations"]] == [0, 0, 1]
    assert all(r["pseudo"] for r in records)


def test_refusals(tmp_path, labelled_work):
    work = labelled_work()
    with pytest.raises(ValueError, match="nothing is written"):
        run_select(tmp_path, "--rule", "fixed", "--value", "0.85")  # no Text, a third of the density
    assert not (tmp_path / "pseudo.json").exists()
    assert run_select(tmp_path, "--rule", "fixed", "--value", "0.85", "--force")[-1].endswith("2, dropped")
    with pytest.raises(ValueError, match="needs --value"):
        run_select(tmp_path, "--rule", "precision")
    with pytest.raises(ValueError, match="needs validation images"):
        run_select(tmp_path, "--rule", "f1")
    work.images.predictions(1).unlink()
    with pytest.raises(ValueError, match="shard 1 of 2 is not finished"):
        run_select(tmp_path)


def test_what_is_no_file_must_be_extracted(tmp_path, labelled_work):
    labelled_work(member="page.jpg")
    with pytest.raises(ValueError, match="--extract"):
        run_select(tmp_path)
