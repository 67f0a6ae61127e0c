"""Labels of two images against a truth that is worked out by hand."""

import json
import math

import pytest

from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.known_truth import ALL, RIGHT, Agreement, KnownTruth

CATEGORIES = [{"id": 3, "name": "Table"}, {"id": 8, "name": "Text"}]


def annotation(number: int, image: int, category: int, box, crowd: int = 0, **more) -> dict:
    return {"id": number, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd, **more}


@pytest.fixture
def truth(tmp_path) -> KnownTruth:
    """a.jpg: a table and two texts; b.jpg: a table; c.jpg: nothing."""
    images = [{"id": k, "file_name": f"{name}.jpg", "width": 100, "height": 80} for k, name in enumerate("abc", 7)]
    boxes = [(7, 3, [0, 0, 10, 10]), (7, 8, [20, 0, 10, 10]), (7, 8, [40, 0, 10, 10]), (8, 3, [0, 0, 30, 30])]
    annotations = [annotation(n, *box) for n, box in enumerate(boxes, 1)]
    file = tmp_path / "truth.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    return KnownTruth(CocoFiles(str(file), str(tmp_path)))


@pytest.fixture
def labels(tmp_path):
    """Of 5 kept boxes 2 are right: a table, and the better one of two on the same text; c.jpg has no label."""
    names = {1: "b.jpg", 2: "a.jpg"}
    images = [{"id": n, "file_name": str(tmp_path / names[n]), "width": 100, "height": 80} for n in names]
    annotations = [
        annotation(1, 2, 1, [0, 0, 10, 9], score=0.9),  # the table: IoU 0.9
        annotation(2, 2, 2, [20, 0, 10, 8], score=0.5),  # the first text, but not the best
        annotation(3, 2, 2, [20, 0, 10, 6], score=0.6),
        annotation(4, 2, 1, [40, 0, 10, 10], score=0.8),  # a text called table
        annotation(5, 1, 1, [0, 0, 30, 14], score=0.7),  # IoU 0.47
        annotation(6, 1, 1, [0, 0, 30, 30], crowd=1, score=0.3),  # unsure: no label
    ]
    file = tmp_path / "labels.json"
    categories = [{"id": 1, "name": "Table"}, {"id": 2, "name": "Text"}]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file


def test_how_right_labels_are(truth, labels):
    found = truth.agreement(labels)
    assert found == Agreement(kept=5, right=2, true=4)
    assert (found.precision, found.recall) == (40.0, 50.0)


def test_nothing_kept_is_neither_right_nor_wrong():
    assert math.isnan(Agreement(0, 0, 3).precision) and Agreement(0, 0, 3).recall == 0
    assert math.isnan(Agreement(0, 0, 0).recall)


def test_wrong_labels_are_taken_out_and_unsure_ones_stay(truth, labels):
    tree = truth.apply(RIGHT, labels)
    assert [a["id"] for a in tree["annotations"]] == [1, 3, 6]
    before = json.loads(labels.read_text())
    assert tree["images"] == before["images"] and tree["categories"] == before["categories"]


def test_all_true_boxes_in_the_labels_own_categories(truth, labels, tmp_path):
    tree = truth.apply(ALL, labels)
    assert [image["file_name"] for image in tree["images"]] == [str(tmp_path / f"{name}.jpg") for name in "abc"]
    names = {image["id"]: image["file_name"][-5] for image in tree["images"]}
    found = [(names[a["image_id"]], a["category_id"], a["bbox"]) for a in tree["annotations"]]
    assert found == [
        ("a", 1, [0, 0, 10, 10]), ("a", 2, [20, 0, 10, 10]), ("a", 2, [40, 0, 10, 10]), ("b", 1, [0, 0, 30, 30])
    ]  # fmt: skip
    made = tmp_path / "true.json"
    made.write_text(json.dumps(tree))
    assert truth.agreement(made) == Agreement(4, 4, 4)


def test_what_the_truth_does_not_know(truth, labels):
    tree = json.loads(labels.read_text())
    tree["images"][0]["file_name"] = "/elsewhere/b.jpg"
    labels.write_text(json.dumps(tree))
    with pytest.raises(ValueError, match=r"labels.json: .*truth.json has no image /elsewhere/b.jpg"):
        truth.agreement(labels)
    tree["categories"][1]["name"] = "Texts"
    labels.write_text(json.dumps(tree))
    with pytest.raises(ValueError, match=r"truth.json has no class 'Texts', only \['Table', 'Text'\]"):
        truth.apply(ALL, labels)
