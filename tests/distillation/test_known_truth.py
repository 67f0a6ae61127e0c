"""Labels of three images against a truth that is worked out by hand."""

import json

import pytest

from dense_det.data.catalog import is_pseudo
from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.input_writer import InputWriter
from dense_det.distillation.known_truth import ALL, RIGHT, Agreement, KnownTruth
from dense_det.distillation.work_folder import InputImage, Plan, WorkFolder, write_json

CATEGORIES = [{"id": 3, "name": "Table"}, {"id": 8, "name": "Text"}, {"id": 9, "name": "Formula"}]


def annotation(number: int, image: int, category: int, box, crowd: int = 0, **more) -> dict:
    return {"id": number, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd, **more}


@pytest.fixture
def work(tmp_path) -> WorkFolder:
    """a.jpg, b.jpg and c.jpg are planned, d.jpg is not."""
    made = WorkFolder(tmp_path / "work")
    writer = InputWriter(made.images, 2)
    for number, name in enumerate("abc", 1):
        writer.add(InputImage(number, str(tmp_path / f"{name}.jpg"), None, None, name, 100, 80))
    made.write_plan(Plan(2, 3, 2, [], {}, writer.close()))
    return made


@pytest.fixture
def truth(tmp_path) -> KnownTruth:
    """a.jpg: a table, two texts, a formula; b.jpg: a table, and a crowd of them; c.jpg: nothing; d.jpg: a table."""
    images = [{"id": k, "file_name": f"{name}.jpg", "width": 100, "height": 80} for k, name in enumerate("abcd", 7)]
    boxes = [
        (7, 3, [0, 0, 10, 10]), (7, 8, [20, 0, 10, 10]), (7, 8, [40, 0, 10, 10]), (7, 9, [70, 0, 5, 5]),
        (8, 3, [0, 0, 30, 30]), (8, 3, [50, 0, 30, 30], 1), (10, 3, [0, 0, 10, 10]),
    ]  # fmt: skip
    annotations = [annotation(n, *box) for n, box in enumerate(boxes, 1)]
    write_json(tmp_path / "truth.json", {"images": images, "annotations": annotations, "categories": CATEGORIES})
    return KnownTruth(CocoFiles(str(tmp_path / "truth.json"), str(tmp_path)))


@pytest.fixture
def labels(tmp_path):
    """Of 5 labels 2 are right: a table, and the better one of two on the same text; c.jpg has none."""
    names = {1: "b.jpg", 2: "a.jpg"}
    images = [{"id": n, "file_name": str(tmp_path / names[n]), "width": 100, "height": 80} for n in names]
    annotations = [
        annotation(1, 2, 1, [0, 0, 10, 9], score=0.9),  # the table: IoU 0.9
        annotation(2, 2, 2, [20, 0, 10, 8], score=0.5),  # the first text, but not the best
        annotation(3, 2, 2, [20, 0, 10, 6], score=0.6),
        annotation(4, 2, 1, [40, 0, 10, 10], score=0.8),  # a text called table
        annotation(5, 1, 1, [0, 0, 30, 14], score=0.7),  # IoU 0.47
        annotation(6, 1, 1, [0, 0, 30, 30], crowd=1, score=0.3),  # unsure: no label
        annotation(7, 1, 1, [52, 2, 20, 20], score=0.6),  # on the crowd: neither right nor wrong
    ]
    info = {"description": "made by a detector", "pseudo_labels": {"rule": "fixed"}}
    categories = [{"id": 1, "name": "Table"}, {"id": 2, "name": "Text"}]
    file = tmp_path / "labels.json"
    write_json(file, {"info": info, "images": images, "annotations": annotations, "categories": categories})
    return file


def test_how_right_labels_are(truth, work, labels):
    """Of four true boxes: formulas are no class of the labels, and d.jpg is not planned."""
    assert truth.agreement(work, labels) == Agreement(kept=5, right=2, true=4)


def test_all_are_judged_however_many_an_image_has(tmp_path, work):
    boxes = [[x, y, 1, 1] for x in range(0, 30, 2) for y in range(0, 16, 2)][:110]
    image = {"id": 1, "file_name": str(tmp_path / "a.jpg"), "width": 100, "height": 80}
    tree = {"images": [image], "categories": [{"id": 1, "name": "Table"}]}
    tree["annotations"] = [annotation(n, 1, 1, box, score=1 / n) for n, box in enumerate(boxes, 1)]
    write_json(tmp_path / "same.json", tree)
    truth = KnownTruth(CocoFiles(str(tmp_path / "same.json"), str(tmp_path)))
    assert truth.agreement(work, tmp_path / "same.json") == Agreement(kept=110, right=110, true=110)
    assert not any(a["iscrowd"] for a in truth.apply(RIGHT, work, tmp_path / "same.json")["annotations"])


def test_wrong_labels_are_not_judged(truth, work, labels, tmp_path):
    tree = truth.apply(RIGHT, work, labels)
    assert {a["id"]: a["iscrowd"] for a in tree["annotations"]} == {1: 0, 2: 1, 3: 0, 4: 1, 5: 1, 6: 1, 7: 0}
    before = json.loads(labels.read_text())
    assert tree["images"] == before["images"] and tree["categories"] == before["categories"]
    write_json(made := tmp_path / "right.json", tree)
    assert is_pseudo(made) and truth.agreement(work, made) == Agreement(2, 2, 4)


def test_images_that_lose_all_labels_are_dropped(truth, work, labels, tmp_path):
    tree = json.loads(labels.read_text())
    write_json(labels, tree | {"annotations": [a for a in tree["annotations"] if a["id"] != 7]})
    tree = truth.apply(RIGHT, work, labels)
    assert [image["id"] for image in tree["images"]] == [2] and {a["image_id"] for a in tree["annotations"]} == {2}


def test_all_true_boxes_in_the_labels_own_categories(truth, work, labels, tmp_path):
    tree = truth.apply(ALL, work, labels)
    assert [image["file_name"] for image in tree["images"]] == [str(tmp_path / f"{name}.jpg") for name in "ab"]
    names = {image["id"]: image["file_name"][-5] for image in tree["images"]}
    found = [(names[a["image_id"]], a["category_id"], a["bbox"], a["iscrowd"]) for a in tree["annotations"]]
    assert found == [
        ("a", 1, [0, 0, 10, 10], 0), ("a", 2, [20, 0, 10, 10], 0), ("a", 2, [40, 0, 10, 10], 0),
        ("b", 1, [0, 0, 30, 30], 0), ("b", 1, [50, 0, 30, 30], 1),
    ]  # fmt: skip
    write_json(made := tmp_path / "true.json", tree)
    assert is_pseudo(made) and truth.agreement(work, made) == Agreement(4, 4, 4)


def test_what_the_truth_does_not_know(truth, work, labels):
    tree = json.loads(labels.read_text())
    tree["images"][0]["file_name"] = "/elsewhere/b.jpg"
    write_json(labels, tree)
    with pytest.raises(ValueError, match=r"labels.json: .*truth.json has no image /elsewhere/b.jpg"):
        truth.agreement(work, labels)
    tree["categories"][1]["name"] = "Texts"
    write_json(labels, tree)
    with pytest.raises(ValueError, match=r"truth.json has no class 'Texts', only \['Table', 'Text', 'Formula'\]"):
        truth.apply(ALL, work, labels)


def test_a_truth_that_fits_nothing_is_found_before_any_work(truth, tmp_path):
    with pytest.raises(ValueError, match=r"truth.json: none of its 4 images lies in "):
        truth.require(["Table"])
    (tmp_path / "a.jpg").touch()
    truth.require(["Table", "Text"])
    with pytest.raises(ValueError, match="truth.json has no class 'Card', only"):
        truth.require(["Table", "Card"])
    tree = json.loads((tmp_path / "truth.json").read_text())
    del tree["images"][2]["height"]
    write_json(tmp_path / "truth.json", tree)
    with pytest.raises(ValueError, match=r"truth.json: image 9 has no width and height"):
        truth.require(["Table"])
