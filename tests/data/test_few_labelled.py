import json

import pytest

from dense_det.data.few_labelled import few_labelled, write_few_labelled

TREE = {
    "images": [{"id": k} for k in range(1, 9)],
    "annotations": [{"id": n, "image_id": k} for n, k in enumerate((1, 1, 2, 4, 5, 8))],
    "categories": [{"id": 1, "name": "Table"}],
}


def test_images_and_all_of_their_annotations(tmp_path):
    few = few_labelled(TREE, 3, seed=0)
    drawn = {image["id"] for image in few["images"]}
    assert len(drawn) == 3 and drawn <= set(range(1, 9))
    assert few["annotations"] == [a for a in TREE["annotations"] if a["image_id"] in drawn]
    assert few["categories"] == TREE["categories"]
    assert few == few_labelled(TREE, 3, seed=0)
    assert any(few != few_labelled(TREE, 3, seed=s) for s in range(1, 5))
    (tmp_path / "all.json").write_text(json.dumps(TREE))
    assert write_few_labelled(tmp_path / "all.json", tmp_path / "few.json", 3, 0) == few
    assert json.loads((tmp_path / "few.json").read_text()) == few


def test_empty_images_are_drawn_as_often_as_others():
    """3 of 8 have no object: of 400 draws of 4 images, 600 are expected, with a deviation of 14."""
    with_objects = {1, 2, 4, 5, 8}
    drawn = [image["id"] for seed in range(400) for image in few_labelled(TREE, 4, seed)["images"]]
    assert len(drawn) == 1600 and 540 < sum(k not in with_objects for k in drawn) < 660
    assert len(few_labelled(TREE, 8, 0)["annotations"]) == 6


def test_annotations_of_images_that_are_not_there_count_for_nothing():
    strays = [{"id": 9, "image_id": 77}, {"id": 10, "image_id": 78}]
    tree = TREE | {"annotations": [*TREE["annotations"], *strays]}
    assert few_labelled(tree, 3, seed=0) == few_labelled(TREE, 3, seed=0)


@pytest.mark.parametrize("count", [0, 9])
def test_numbers_without_sense(count):
    with pytest.raises(ValueError, match=f"{count} labelled images were asked for, there are 8"):
        few_labelled(TREE, count, 0)
    with pytest.raises(ValueError, match="none of 2 labelled images has an object: ask for more, or give another seed"):
        few_labelled(TREE | {"annotations": []}, 2, 0)
