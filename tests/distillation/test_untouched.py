from dataclasses import replace

import pytest

from dense_det.distillation.review import ReviewBox, ReviewImage
from dense_det.distillation.untouched import split_untouched

COCO = {
    "images": [{"id": 7, "file_name": "/a.jpg"}, {"id": 8, "file_name": "/b.jpg"}],
    "categories": [{"id": 1, "name": "Table"}, {"id": 2, "name": "Text"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1.1, 2, 3.33, 4], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [5, 6, 7, 8.04], "iscrowd": 1},
    ],
}
TABLE, TEXT = ReviewBox("Table", (1.1, 2.0, 4.43, 6.0)), ReviewBox("Text", (5.0, 6.0, 12.0, 14.04))
IMAGE = ReviewImage("a.jpg", 20, 20, (TEXT, TABLE), as_uploaded=True)


@pytest.mark.parametrize(
    "image, is_untouched",
    [
        (IMAGE, True),
        (replace(IMAGE, as_uploaded=False), False),
        (replace(IMAGE, boxes=(TABLE,)), False),  # a person took one away
        (replace(IMAGE, boxes=(TABLE, TEXT, TEXT)), False),
        (replace(IMAGE, boxes=(TABLE, replace(TEXT, label="Table"))), False),
        (replace(IMAGE, boxes=(TABLE, replace(TEXT, box=(5.0, 6.0, 12.0, 14.05)))), False),
        (replace(IMAGE, file_name="/b.jpg"), False),  # which has no boxes in the labels
        (ReviewImage("/a.jpg", 20, 20, ()), False),
    ],
)
def test_untouched(image, is_untouched):
    assert split_untouched(COCO, [image]) == (([], [image]) if is_untouched else ([image], []))


def test_an_image_that_the_labels_dropped(tmp_path):
    (tmp_path / "c.jpg").touch()
    image = replace(IMAGE, file_name=str(tmp_path / "c.jpg"))
    assert split_untouched(COCO, [image]) == ([], [image])
    with pytest.raises(ValueError, match="no image of the labels is d.jpg"):
        split_untouched(COCO, [replace(IMAGE, file_name="d.jpg")])
