import argparse
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from dense_det.data.catalog import is_pseudo
from dense_det.distillation.commands import export, import_review, select
from dense_det.distillation.review import (
    ReviewBox,
    ReviewImage,
    merge_review,
    read_cvat,
    read_label_studio,
    uncertainty,
    write_cvat,
    write_label_studio,
)
from dense_det.distillation.rule import Rule

IMAGES = [
    ReviewImage(
        "/a/ü.jpg", 617, 877, (ReviewBox("Table", (0.01, 3.33, 616.99, 877.0)), ReviewBox("T & <x>", (1, 2, 3, 4)))
    ),
    ReviewImage("/b.jpg", 10, 10, ()),
]


def run(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return list(command.main(parser.parse_args([str(word) for word in words])))


def annotate(path):
    """What Label Studio's export of tasks is whose predictions a person accepted."""
    tasks = json.loads(path.read_text())
    for task in tasks:
        task["annotations"] = [{"result": task["predictions"][0]["result"], "was_cancelled": False}]
    path.write_text(json.dumps(tasks))


def test_round_trips_are_exact(tmp_path):
    write_cvat(tmp_path / "a.xml", IMAGES, ["Table", "T & <x>"])
    assert read_cvat(tmp_path / "a.xml") == IMAGES
    write_label_studio(tmp_path / "a.json", IMAGES, "model")
    assert read_label_studio(tmp_path / "a.json") == []  # nobody has annotated
    annotate(tmp_path / "a.json")
    assert read_label_studio(tmp_path / "a.json") == IMAGES


def test_names_that_xml_cannot_hold(tmp_path):
    name = "/a\n\udcff\x01.jpg"
    write_cvat(tmp_path / "a.xml", [ReviewImage(name, 9, 9, (ReviewBox("A", (1, 1, 3, 4)),))], ["A"])
    old = {"id": 4, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}
    coco = {
        "images": [{"id": 7, "file_name": name}],
        "annotations": [old],
        "categories": [{"id": 1, "name": "A"}],
    }
    merged = merge_review(coco, read_cvat(tmp_path / "a.xml"))
    assert merged["images"] == [{"id": 7, "file_name": name, "reviewed": True}]
    assert [row["bbox"] for row in merged["annotations"]] == [[1, 1, 2, 3]]


def test_label_studio_has_percents(tmp_path):
    write_label_studio(tmp_path / "a.json", [ReviewImage("x", 200, 50, (ReviewBox("A", (20, 5, 120, 30), 0.5),))], "m")
    (region,) = json.loads((tmp_path / "a.json").read_text())[0]["predictions"][0]["result"]
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["A"]}
    assert region["value"] == value and region["score"] == 0.5


def test_uncertainty_by_hand(predictions):
    rule = Rule(np.array([0.5], np.float32))
    # at the threshold, half of the views, spread .1
    assert uncertainty(predictions(1, (0.5, 0, 0.5), (0.9, 0, 1)), rule) == pytest.approx(1 + 0.5 + 0.1)
    assert uncertainty(predictions(1, (0.75, 0, 1)), rule) == pytest.approx(0.5 + 0.1)
    assert uncertainty(predictions(1, (0.1, 0, 1)), rule) == 0


def test_a_person_wins():
    coco = {
        "categories": [{"id": 1, "name": "Table"}],
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 9, "height": 9} for n in (1, 2)],
        "annotations": [{"id": n, "image_id": 1 + n % 2, "category_id": 1, "score": 0.5} for n in (1, 2, 3)],
    }
    reviewed = [ReviewImage("2.jpg", 9, 9, (ReviewBox("Table", (1, 2, 4, 6)),)), ReviewImage("new.jpg", 5, 5, ())]
    merged = merge_review(coco, reviewed)
    assert merged["annotations"] == [
        {"id": 2, "image_id": 1, "category_id": 1, "score": 0.5},
        {"id": 4, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
    ]
    assert [(row["id"], row.get("reviewed", False)) for row in merged["images"]] == [(1, False), (2, True), (3, True)]
    with pytest.raises(ValueError, match="none of"):
        merge_review(coco, [ReviewImage("2.jpg", 9, 9, (ReviewBox("Tabel", (1, 2, 4, 6)),))])
    with pytest.raises(ValueError, match="twice"):
        merge_review(coco, reviewed[:1] * 2)


@pytest.mark.parametrize("kind", ["xml", "json"])
def test_export_and_back(tmp_path, labelled_work, kind):
    labelled_work()
    labels, review = tmp_path / "pseudo.json", tmp_path / f"review.{kind}"
    run(select, tmp_path / "work", "--out", labels)
    assert run(export, tmp_path / "work", labels, "--out", review, "--size", "1")[0].endswith("1 images, 3 boxes")
    if kind == "json":
        annotate(review)
    else:
        tree = ET.parse(review)
        assert [image.get("name") for image in tree.iter("image")] == [str(tmp_path / "1.jpg")]
    run(import_review, labels, review, "--out", tmp_path / "reviewed.json")
    coco = json.loads((tmp_path / "reviewed.json").read_text())
    assert [a["iscrowd"] for a in coco["annotations"] if a["image_id"] == 1] == [0, 0, 0]
    assert all(("score" in a) == (a["image_id"] == 2) for a in coco["annotations"])
    before = {a["id"]: a["bbox"] for a in json.loads(labels.read_text())["annotations"]}
    assert [a["bbox"] for a in coco["annotations"] if a["image_id"] == 1] == [before[k] for k in (1, 2, 3)]
    assert is_pseudo(tmp_path / "reviewed.json")


def test_what_is_no_review_is_answered(tmp_path):
    with pytest.raises(ValueError, match=r"\.xml"):
        run(export, tmp_path, "x", "--out", "a.csv")
    (tmp_path / "a.xml").write_text("<annotations")
    with pytest.raises(ValueError, match="not XML"):
        run(import_review, "x", tmp_path / "a.xml", "--out", "y")
    (tmp_path / "a.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="no export"):
        run(import_review, "x", tmp_path / "a.json", "--out", "y")
