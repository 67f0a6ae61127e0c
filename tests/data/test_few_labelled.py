import json

import pytest

from dense_det.data.few_labelled import few_labelled, write_few_labelled

TREE = {
    "images": [{"id": k} for k in range(1, 9)],
    "annotations": [{"id": n, "image_id": k} for n, k in enumerate((1, 1, 2, 4, 5, 8))],
    "categories": [{"id": 1, "name": "Table"}],
}


def test_images_with_objects_and_all_of_their_annotations(tmp_path):
    few = few_labelled(TREE, 3, seed=0)
    drawn = {image["id"] for image in few["images"]}
    assert len(drawn) == 3 and drawn <= {1, 2, 4, 5, 8}
    assert few["annotations"] == [a for a in TREE["annotations"] if a["image_id"] in drawn]
    assert few["categories"] == TREE["categories"]
    assert few == few_labelled(TREE, 3, seed=0)
    assert any(few != few_labelled(TREE, 3, seed=s) for s in range(1, 5))
    (tmp_path / "all.json").write_text(json.dumps(TREE))
    assert write_few_labelled(tmp_path / "all.json", tmp_path / "few.json", 3, 0) == few
    assert json.loads((tmp_path / "few.json").read_text()) == few


def test_annotations_of_images_that_are_not_there_count_for_nothing():
    strays = [{"id": 9, "image_id": 77}, {"id": 10, "image_id": 78}]
    tree = TREE | {"annotations": [*TREE["annotations"], *strays]}
    assert few_labelled(tree, 3, seed=0) == few_labelled(TREE, 3, seed=0)
    with pytest.raises(ValueError, match="6 labelled images were asked for, 5 have objects"):
        few_labelled(tree, 6, 0)


@pytest.mark.parametrize("count", [0, 6])
def test_numbers_without_sense(count):
    with pytest.raises(ValueError, match=f"{count} labelled images were asked for, 5 have objects"):
        few_labelled(TREE, count, 0)
