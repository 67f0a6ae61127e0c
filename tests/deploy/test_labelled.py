"""A labelled file whose ids order the categories otherwise."""

import json

import pytest

from dense_det.deploy.labelled import load_labelled


@pytest.fixture
def labelled(tmp_path):
    names = {4: "Picture", 7: "Table", 9: "Formula"}
    boxes = [
        {"id": k, "image_id": 1, "category_id": category, "bbox": [k, 0, 5, 5], "area": 25, "iscrowd": 0}
        for k, category in enumerate(names)
    ]
    tree = {
        "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 20}],
        "categories": [{"id": category, "name": name} for category, name in names.items()],
        "annotations": boxes,
    }
    (tmp_path / "val.json").write_text(json.dumps(tree))
    return tmp_path / "val.json"


def test_categories_are_known_by_name(labelled):
    truth = load_labelled(labelled, ["Table", "Picture", "Formula"])
    assert truth.class_names == ["Table", "Picture", "Formula"] and truth.category_ids == [7, 4, 9]
    assert truth.classes.tolist() == [1, 0, 2]
    assert load_labelled(labelled).class_names == ["Picture", "Table", "Formula"]
    assert load_labelled(labelled, ("Picture", "Table", "Formula")).classes.tolist() == [0, 1, 2]


def test_categories_that_the_detector_does_not_know_are_left_out_and_named(labelled, caplog):
    truth = load_labelled(labelled, ["Formula", "Picture"])
    assert truth.class_names == ["Formula", "Picture"] and truth.category_ids == [9, 4]
    assert truth.classes.tolist() == [1, 0] and truth.boxes_xywh[:, 0].tolist() == [0, 2]
    assert len(truth.images) == 1  # what is found where there is nothing of these is wrong
    assert "the detector has no class Table: these 1 objects are left out" in caplog.text
    caplog.clear()
    load_labelled(labelled, ["Table", "Picture", "Formula"])
    assert not caplog.text


@pytest.mark.parametrize("classes", [["Table", "Image"], ["cat", "Picture", "Formula"], ["Table", "Table", "Formula"]])
def test_others_are_shown(labelled, classes):
    with pytest.raises(ValueError, match=f"categories Picture, Table, Formula, but .* classes {', '.join(classes)}:"):
        load_labelled(labelled, classes)


def test_one_name_of_two_categories(labelled):
    tree = json.loads(labelled.read_text())
    for category in tree["categories"]:
        category["name"] = "page" if category["id"] > 4 else "card"
    labelled.write_text(json.dumps(tree))
    for classes in (["page", "card", "page"], ["page", "card"], ["page"]):
        with pytest.raises(ValueError, match="categories card, page, page"):
            load_labelled(labelled, classes)
    assert load_labelled(labelled, ["card"]).classes.tolist() == [0]
