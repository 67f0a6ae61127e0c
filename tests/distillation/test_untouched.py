from collections import Counter
from dataclasses import replace

import pytest

from dense_det.distillation.review import ReviewBox, ReviewImage
from dense_det.distillation.untouched import Exported, add_to_record, read_record, split_untouched

COCO = {
    "images": [{"id": 7, "file_name": "/a.jpg"}, {"id": 8, "file_name": "/b.jpg"}],
    "categories": [{"id": 1, "name": "Table"}, {"id": 2, "name": "Text"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1.1, 2, 3.33, 4], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [5, 6, 7, 8.04], "iscrowd": 1},
    ],
}
TABLE, TEXT = ReviewBox("Table", (1.1, 2.0, 4.43, 6.0)), ReviewBox("Text", (5.0, 6.0, 12.0, 14.04))
IMAGE = ReviewImage("/a.jpg", 20, 20, (TEXT, TABLE), as_uploaded=True)


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
    assert split_untouched(COCO, Exported(), [image]) == (([], [image], []) if is_untouched else ([image], [], []))


@pytest.fixture
def dropped(tmp_path):
    """An image that the labels do not have."""
    (tmp_path / "c.jpg").touch()
    return replace(IMAGE, file_name=str(tmp_path / "c.jpg"))


def test_an_image_that_the_labels_dropped_is_compared_with_what_was_exported(tmp_path, dropped):
    add_to_record(tmp_path / "r.json", [dropped])
    exported = read_record(tmp_path / "r.json")
    assert split_untouched(COCO, exported, [dropped]) == ([], [dropped], [])
    for boxes in ((TABLE,), (TABLE, replace(TEXT, label="Table")), (TABLE, TEXT, TEXT)):
        corrected = replace(dropped, boxes=boxes)
        assert split_untouched(COCO, exported, [corrected]) == ([corrected], [], [])


def test_without_a_record_of_a_dropped_image_nobody_knows(dropped):
    assert split_untouched(COCO, Exported(), [dropped]) == ([], [], [dropped])


def test_what_was_exported_counts_not_what_the_labels_became(tmp_path):
    old = replace(IMAGE, file_name="/a.jpg", boxes=(TABLE,))
    new = replace(old, boxes=(TABLE, TABLE))
    for images in ([old], [new], [new]):  # labels were selected again, and exported once more
        add_to_record(tmp_path / "r.json", images)
    exported = read_record(tmp_path / "r.json")
    assert [sum(boxes.values()) for boxes in exported.boxes["/a.jpg"]] == [1, 2]
    assert split_untouched(COCO, exported, [old]) == ([], [], [old])  # or a person deleted a box of the new one
    assert split_untouched(COCO, exported, [new]) == ([], [new], [])
    assert split_untouched(COCO, exported, [IMAGE]) == ([IMAGE], [], [])
    add_to_record(tmp_path / "r.json", [old])  # once more as at first
    assert split_untouched(COCO, read_record(tmp_path / "r.json"), [old, new]) == ([], [old], [new])


def test_an_image_without_boxes_that_was_not_exported_is_no_correction(tmp_path):
    """CVAT writes all images of a task, which may have more than one export; one that was given away and comes back
    empty was emptied by a person."""
    given, never = ReviewImage("/a.jpg", 20, 20, (), None), ReviewImage("/b.jpg", 20, 20, (), None)
    add_to_record(tmp_path / "r.json", [replace(IMAGE, boxes=(TABLE,))])
    assert split_untouched(COCO, read_record(tmp_path / "r.json"), [given, never]) == ([given], [never], [])
    assert split_untouched(COCO, Exported(), [given, never]) == ([given, never], [], [])


def test_the_names_of_every_export_are_kept(tmp_path):
    assert read_record(tmp_path / "r.json") == Exported()
    add_to_record(tmp_path / "r.json", [IMAGE], {"/a.jpg": "a.jpg"})
    for _ in range(2):
        add_to_record(tmp_path / "r.json", (), {"/b/a.jpg": "a.jpg", "/b.jpg": "b.jpg"})  # for Label Studio: no boxes
    exported = read_record(tmp_path / "r.json")
    assert exported.names == {"a.jpg": ["/a.jpg", "/b/a.jpg"], "b.jpg": ["/b.jpg"]}
    assert list(exported.boxes) == ["/a.jpg"]


def test_a_record_of_before_it_had_names(tmp_path):
    (tmp_path / "r.json").write_text('{"images": [{"file_name": "/a.jpg", "boxes": [["Text", 5, 6, 7, 8.04]]}]}')
    exported = read_record(tmp_path / "r.json")
    assert exported == Exported({"/a.jpg": [Counter([("Text", 5.0, 6.0, 7.0, 8.04)])]}, {})
    image = replace(IMAGE, boxes=(TEXT,))
    assert split_untouched(COCO, exported, [image]) == ([], [image], [])


def test_names_that_are_no_text(tmp_path):
    image = replace(IMAGE, file_name="/a\n\udcff.jpg")
    add_to_record(tmp_path / "r.json", [image], {image.file_name: "a\n\udcff.jpg"})
    assert read_record(tmp_path / "r.json").names == {"a\n\udcff.jpg": [image.file_name]}
    assert split_untouched(COCO, read_record(tmp_path / "r.json"), [image]) == ([], [image], [])


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"images": [{"boxes": []}]}',
        '{"images": [{"boxes": [["A", "x"]]}]}',
        '{"images": [], "names": []}',
        '{"images": [], "names": {"a.jpg": "/a.jpg"}}',
        '{"images": [], "names": {"a.jpg": [1]}}',
    ],
)
def test_another_file_is_no_record(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    for act in (read_record, lambda path: add_to_record(path, [IMAGE])):
        with pytest.raises(ValueError, match=r"r\.json: not the record of boxes that export keeps .* move it away"):
            act(tmp_path / "r.json")
    assert (tmp_path / "r.json").read_text() == text
