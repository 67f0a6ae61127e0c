"""COCO files as users have them: what would be miscounted is refused."""

import json
from pathlib import Path

import pytest

from dense_det.distillation.coco_files import CocoFiles


def test_a_file_and_its_images(coco):
    files = CocoFiles(*coco("good", 1, 2))
    truth = files.load()
    assert truth.class_names == ["Table", "Text"] and truth.counts().tolist() == [2, 0]
    assert files.path(truth.images[1]) == f"{files.image_root}/2.jpg"


@pytest.mark.parametrize(
    ("key", "entry", "complaint"),
    [
        ("categories", {"id": 77, "name": "Table"}, "two categories are named 'Table': make them one"),
        (
            "images",
            {"id": 5, "file_name": "2.jpg"},
            "^[^(]*odd.json: 2 images have the id 5: see tools/check_data",
        ),
        ("images", {"id": 6, "file_name": 7}, "image 6 has file_name 7, expected a text"),
        ("images", {"file_name": "2.jpg"}, "no COCO file .KeyError"),
    ],
)
def test_what_is_miscounted_otherwise(coco, key, entry, complaint):
    json_file, folder = coco("odd", 1)
    tree = json.loads(Path(json_file).read_text())
    tree[key].append(entry)
    Path(json_file).write_text(json.dumps(tree))
    with pytest.raises(ValueError, match=complaint):
        CocoFiles(json_file, folder).load()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"categories": [], "images": ["a.jpg"]}',
        '{"categories": {"a": 1}, "images": []}',
        "[" * 100_000,
    ],
)
def test_no_coco_file(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match="a.json: no COCO file"):
        CocoFiles(str(tmp_path / "a.json"), str(tmp_path)).load()
