import json

import numpy as np
import pytest

from dense_det.evaluation.coco_ap import coco_stats
from dense_det.evaluation.ground_truth import load_ground_truth


def write(path, annotations, **more):
    dataset = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 50, "height": 60} for k in (9, 2)],
        "categories": [{"id": 7, "name": "Table"}, {"id": 3, "name": "Text"}],
        **({} if annotations is None else {"annotations": annotations}),
        **more,
    }  # fmt: skip
    path.write_text(json.dumps(dataset))
    return path


def annotation(image=9, category=7, bbox=(1, 2, 3, 4), **more):
    return {"id": 0, "image_id": image, "category_id": category, "bbox": list(bbox), **more}


def test_arrays_by_hand(tmp_path):
    truth = load_ground_truth(
        write(
            tmp_path / "gt.json", [annotation(), annotation(2, 3, (0, 0, 5, 5), iscrowd=1, area=7.5), annotation(9, 3)]
        )
    )
    assert [image["id"] for image in truth.images] == [2, 9] and truth.class_names == ["Text", "Table"]
    assert truth.category_ids == [3, 7] and truth.annotated
    assert truth.image.tolist() == [0, 1, 1] and truth.classes.tolist() == [0, 1, 0]
    assert truth.crowd.tolist() == [True, False, False] and truth.area.tolist() == [7.5, 12, 12]
    assert truth.boxes_xywh.tolist() == [[0, 0, 5, 5], [1, 2, 3, 4], [1, 2, 3, 4]]
    assert truth.counts().tolist() == [1, 1]  # the crowd is none to find


def test_ids_equal_or_zero_do_not_spoil_the_ap(tmp_path):
    # with id 0, pycocotools takes the match for none; with equal ids it loses annotations
    truth = load_ground_truth(write(tmp_path / "gt.json", [annotation(), annotation(9, 7, (20, 20, 9, 9))]))
    rows = np.array([[1, 1, 2, 3, 4, 0.9, 1], [1, 20, 20, 9, 9, 0.8, 1]])
    assert coco_stats(truth.coco(), rows, backend="pycocotools").stats[0] == 1


def test_the_mapping_of_detectron2_decides_the_classes(tmp_path):
    path = write(tmp_path / "gt.json", [annotation(9, 7), annotation(9, 3)])
    truth = load_ground_truth(path, {7: 0, 3: 1})
    assert truth.class_names == ["Table", "Text"] and truth.classes.tolist() == [0, 1]
    only_tables = load_ground_truth(path, {7: 0})
    assert only_tables.class_names == ["Table"] and only_tables.classes.tolist() == [0]


def test_annotations_of_unknown_images_are_left_out(tmp_path):
    assert load_ground_truth(write(tmp_path / "gt.json", [annotation(image=5)])).boxes_xywh.shape == (0, 4)


def test_string_image_ids(tmp_path):
    images = [
        {"id": "b", "file_name": "b", "width": 9, "height": 9},
        {"id": "a", "file_name": "a", "width": 9, "height": 9},
    ]
    truth = load_ground_truth(write(tmp_path / "gt.json", [annotation("b")], images=images))
    assert truth.image.tolist() == [1] and truth.coco()["annotations"][0]["image_id"] == 1


def test_a_test_set_has_no_annotations(tmp_path):
    assert not load_ground_truth(write(tmp_path / "gt.json", None)).annotated


@pytest.mark.parametrize("bbox", [None, [1, 2, 3], [1, 2, 3, float("nan")], [1, 2, "3", 4], "1234"])
def test_bad_boxes_are_named(tmp_path, bbox):
    with pytest.raises(ValueError, match="annotation 41 has bbox .*check_data"):
        load_ground_truth(write(tmp_path / "gt.json", [{"id": 41, "image_id": 9, "category_id": 7, "bbox": bbox}]))


@pytest.mark.parametrize("content", ["", "[]", '{"rows": []}', '{"categories": [], "images": [{"width": 4}]}', "\xff"])
def test_another_file_is_named(tmp_path, content):
    (tmp_path / "rows.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match="rows.json: no COCO file"):
        load_ground_truth(tmp_path / "rows.json")
