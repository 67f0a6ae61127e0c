"""Each kind of finding from an input made by hand, with the id and value it must name."""

import json
import os
import shutil

import numpy as np
import pycocotools.mask as mask_util
import pytest
from PIL import Image

from dense_det.data.check import check_dataset, check_once
from dense_det.data.check_kinds import KINDS
from dense_det.data.check_report import MAX_FINDINGS_PER_KIND, Report


@pytest.fixture
def root(tmp_path):
    """Two pages of 100x80 with different content."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (100, 80), "white").save(folder / "a.png")
    Image.new("RGB", (100, 80), "gray").save(folder / "b.jpg")
    return folder


def clean() -> dict:
    annotation = {"image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40], "area": 1200, "iscrowd": 0}
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 100, "height": 80},
            {"id": 2, "file_name": "b.jpg", "width": 100, "height": 80},
        ],
        "annotations": [{"id": 7, **annotation}, {"id": 8, **annotation, "bbox": [50, 20, 30, 40], "image_id": 2}],
        "categories": [{"id": 3, "name": "Table"}, {"id": 4, "name": "Picture"}],
    }


def check(data, root, **settings) -> Report:
    path = root.parent / "train.json"
    path.write_text(data if type(data) is str else json.dumps(data))
    return check_dataset(path, root, **settings)


def only(report: Report):
    assert len(report.findings) == 1, report.to_text()
    return report.findings[0]


def test_clean(root):
    report = check(clean(), root)
    assert report.findings == []
    assert report.class_counts == {"Table": 2, "Picture": 0}
    assert report.summary().endswith("no errors, no warnings; 2 images, 2 objects (Table 2, Picture 0)")


@pytest.mark.parametrize(
    "kind, field, value, shown",
    [
        ("bbox-type", "bbox", "10,20,30,40", "'10,20,30,40'"),
        ("bbox-type", "bbox", [1, 2, "3", 4], "[1, 2, '3', 4]"),
        ("bbox-type", "bbox", [1, 2, None, 4], "[1, 2, None, 4]"),
        ("bbox-type", "bbox", [1, 2, True, 4], "[1, 2, True, 4]"),
        ("bbox-type", "bbox", None, "None"),
        ("bbox-length", "bbox", [1, 2, 3], "[1, 2, 3]"),
        ("bbox-length", "bbox", [1, 2, 3, 4, 5], "[1, 2, 3, 4, 5]"),
        ("bbox-length", "bbox", [], "[]"),
        ("bbox-not-finite", "bbox", [1, 2, 1e300, 4], "[1, 2, 1e+300, 4]"),
        ("bbox-not-finite", "bbox", [-(10**30), 2, 10**31, 4], None),
        ("bbox-negative", "bbox", [30, 20, -5, 4], "[30, 20, -5, 4]"),
        ("bbox-negative", "bbox", [30, 20, 5, -4], "[30, 20, 5, -4]"),
        ("bbox-zero", "bbox", [30, 20, 0, 4], "[30, 20, 0, 4]"),
        ("bbox-outside", "bbox", [100, 20, 5, 5], "[100, 20, 5, 5] in 100x80"),
        ("bbox-outside", "bbox", [10, -9, 5, 9], "[10, -9, 5, 9] in 100x80"),
        ("bbox-partly-outside", "bbox", [90, 20, 11.5, 5], "[90, 20, 11.5, 5] in 100x80"),
        ("bbox-partly-outside", "bbox", [-1.5, 20, 11.5, 5], "[-1.5, 20, 11.5, 5] in 100x80"),
        ("area", "area", "12", "'12'"),
        ("area", "area", -1, "-1"),
        ("iscrowd", "iscrowd", "0", "'0'"),
        ("iscrowd", "iscrowd", None, "None"),
        ("iscrowd", "iscrowd", 2, "2"),
        ("ignore", "ignore", 1, "1"),
        ("ignore", "ignore", None, "None"),
        ("annotation-image", "image_id", 9, "9"),
        ("annotation-image", "image_id", "1", "'1'"),
        ("annotation-image", "image_id", [1], "[1]"),
        ("annotation-image", "image_id", True, "True"),
        ("annotation-category", "category_id", 9, "9"),
        ("annotation-category", "category_id", "3", "'3'"),
        ("annotation-category", "category_id", {}, "{}"),
        ("annotation-category", "category_id", 3.0, "3.0"),
        ("segmentation", "segmentation", [[1, 2, 3, 4]], "[[1, 2, 3, 4]]"),
        ("segmentation", "segmentation", [[1, 2, 3, 4, 5, 6, 7]], None),
        ("segmentation", "segmentation", [1, 2, 3, 4, 5, 6], "[1, 2, 3, 4, 5, 6]"),
        ("segmentation", "segmentation", [[1, 2, 9, 2, 9, 9], 5], None),
        ("segmentation", "segmentation", "abc", "'abc'"),
        ("segmentation", "segmentation", {"counts": [7999], "size": [80, 100]}, None),
        ("segmentation", "segmentation", {"counts": "0", "size": [80, 100]}, None),
        ("segmentation", "segmentation", {"counts": [8000], "size": [100, 80]}, None),
        ("segmentation", "segmentation", {"counts": [8000]}, None),
        ("segmentation-partly", "segmentation", [[1, 2, 9, 2, 9, 9], [1, 2]], None),
        ("segmentation-empty", "segmentation", {"counts": [8000], "size": [80, 100]}, None),
        ("segmentation-outside-box", "segmentation", [[10, 20, 43, 20, 40, 60]], "[[10, 20, 43, 20, 40, 60]]"),
        ("quad", "quad", [10, 20, 40, 20], "[10, 20, 40, 20]"),
        ("keypoints", "keypoints", [1, 2], "[1, 2]"),
        ("keypoints", "keypoints", [1, 2, "x"], "[1, 2, 'x']"),
        ("json-nesting", "extra", [[[]]], "'extra'"),
    ],
)
def test_field_of_an_annotation(root, kind, field, value, shown):
    if kind == "json-nesting":
        for _ in range(60):
            value = [value]
    data = clean()
    data["annotations"][0][field] = value
    found = only(check(data, root))
    assert (found.kind, found.annotation_id) == (kind, 7) or kind == "json-nesting" == found.kind
    assert found.where == "annotations[0]"
    assert shown is None or found.value == shown


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite(root, token):
    report = check(json.dumps(clean()).replace("[10,", f"[{token},"), root)
    (error,) = report.errors
    assert (error.kind, error.annotation_id, error.image_id) == ("bbox-not-finite", 7, 1)
    assert [w.kind for w in report.warnings] == ["json-constant"] * (token != "1e999")


@pytest.mark.parametrize(
    "kind, field",
    [("bbox-missing", "bbox"), ("area-missing", "area"), ("iscrowd-missing", "iscrowd"), ("annotation-id", "id"),
     ("annotation-image", "image_id"), ("annotation-category", "category_id")],
)  # fmt: skip
def test_missing_field_of_an_annotation(root, kind, field):
    data = clean()
    del data["annotations"][1][field]
    found = only(check(data, root))
    assert (found.kind, found.value, found.where) == (kind, "missing", "annotations[1]")
    assert found.severity == ("warning" if kind.endswith("-missing") and field != "bbox" else "error")


@pytest.mark.parametrize(
    "kind, value", [("annotation-id-duplicate", 8), ("annotation-id", "7"), ("annotation-id", -1),
                    ("annotation-id", 2**63), ("annotation-id-zero", 0)]
)  # fmt: skip
def test_annotation_ids(root, kind, value):
    data = clean()
    data["annotations"].append({**data["annotations"][0], "id": value, "bbox": [1, 1, 20, 20]})
    found = only(check(data, root))
    assert (found.kind, found.value, found.where) == (kind, repr(value), "annotations[2]")


def test_tolerated(root):
    """One pixel outside, whole-number floats, a crowd's RLE, polygons, keypoints: all as COCO itself has them."""
    data = clean()
    shapes = [
        {"bbox": [-1, 20, 102, 61]},
        {"segmentation": [[10, 20, 40, 20, 40, 60, 10, 60]]},
        {"segmentation": {"counts": [4000, 800, 3200], "size": [80, 100]}, "iscrowd": 1},
        {"segmentation": [], "keypoints": [12, 22, 2, 0, 0, 0], "iscrowd": False},
    ]
    data["annotations"] = [
        {**data["annotations"][0], "id": i, "bbox": [10 + i, 20, 30, 40], **shape} for i, shape in enumerate(shapes, 1)
    ]
    assert check(data, root).findings == []


def test_compressed_rle_as_pycocotools_writes_it(root):
    mask = np.zeros((80, 100), np.uint8, order="F")
    mask[5:70, 3:90] = np.random.default_rng(0).integers(0, 2, (65, 87))
    rle = mask_util.encode(mask)
    data = clean()
    counts = rle["counts"].decode()
    data["annotations"][0] |= {"bbox": [3, 5, 87, 65], "segmentation": {"counts": counts, "size": rle["size"]}}
    data["annotations"][1]["segmentation"] = {"counts": counts[:-3], "size": rle["size"]}
    found = only(check(data, root))
    assert (found.kind, found.annotation_id) == ("segmentation", 8)


@pytest.mark.parametrize(
    "kind, field, value, shown",
    [
        ("image-id", "id", "2", "'2'"),
        ("image-id", "id", 2.0, "2.0"),
        ("file-name", "file_name", "", "''"),
        ("file-name", "file_name", 5, "5"),
        ("file-name", "file_name", "a\0.png", "'a\\x00.png'"),
        ("file-name-outside", "file_name", "../b.jpg", "'../b.jpg'"),
        ("file-name-outside", "file_name", "/etc/hostname", "'/etc/hostname'"),
        ("file-name-duplicate", "file_name", "./a.png", "'./a.png'"),
        ("image-missing", "file_name", "c.jpg", "no such file"),
        ("image-missing", "file_name", "a.png/c.jpg", "a part of its path is not a folder"),
        ("image-unreadable", "file_name", ".", None),
        ("image-size", "width", 0, "width 0, height 80"),
        ("image-size", "height", "80", "width 100, height '80'"),
        ("image-size-wrong", "width", 80, "JSON 80x80, file 100x80"),
    ],
)
def test_field_of_an_image(root, kind, field, value, shown):
    data = clean()
    data["images"][1][field] = value
    if value == ".":
        (root / "folder").mkdir()
        data["images"][1][field] = "folder"
        shown = "not a file"
    found = only(check(data, root))
    assert (found.kind, found.value, found.where) == (kind, shown, "images[1]")


@pytest.mark.parametrize("field, kind", [("id", "image-id"), ("file_name", "file-name"), ("width", "image-size")])
def test_missing_field_of_an_image(root, field, kind):
    data = clean()
    del data["images"][1][field]
    if field == "id":
        del data["annotations"][1]
    assert only(check(data, root)).kind == kind


def test_images_that_are_not_readable(root):
    whole = (root / "b.jpg").read_bytes()
    png = (root / "a.png").read_bytes()
    broken = {
        "empty.png": (b"", "0 bytes"),
        "text.jpg": (b"<html>", "not an image that Pillow knows"),
        "cut.jpg": (whole[:-40], None),
        "cut.png": (png[: len(png) // 2], None),
    }
    data = clean()
    for number, (name, (content, _)) in enumerate(broken.items(), 10):
        (root / name).write_bytes(content)
        data["images"].append({"id": number, "file_name": name, "width": 100, "height": 80})
    for decode in (False, True):
        report = check(data, root, decode=decode)
        assert [(f.kind, f.image_id, f.file_name) for f in report.findings] == [
            ("image-unreadable", number, name) for number, name in enumerate(broken, 10)
        ]
        for finding, (_, reason) in zip(report.findings, broken.values(), strict=True):
            assert reason is None or finding.value == reason


def test_decompression_bomb(root, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3999)  # Pillow refuses above twice this; the pages have 8000
    assert {f.kind for f in check(clean(), root).findings} == {"image-too-large"}


def test_size_is_that_after_exif_rotation(root):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (80, 100), "red").save(root / "a.png", exif=exif)
    Image.new("RGB", (100, 80), "red").save(root / "b.jpg", exif=exif)
    found = only(check(clean(), root))
    assert found.kind == "image-size-wrong"
    assert found.value == "JSON 100x80, file 80x100, turned by its EXIF orientation"


def test_ids_used_twice(root):
    data = clean()
    data["images"][1]["id"] = 1
    data["annotations"].pop()
    assert (only(check(data, root)).kind, only(check(data, root)).image_id) == ("image-id-duplicate", 1)
    data = clean()
    data["categories"][1]["id"] = 3
    assert (only(check(data, root)).kind, only(check(data, root)).value) == ("category-id-duplicate", "3")


@pytest.mark.parametrize(
    "kind, category",
    [("category-id", {"name": "x"}), ("category-id", {"id": "5", "name": "x"}), ("category-name", {"id": 5}),
     ("category-name", {"id": 5, "name": 6}), ("category-name-duplicate", {"id": 5, "name": "Table"}),
     ("category-not-object", None)],
)  # fmt: skip
def test_categories(root, kind, category):
    data = clean()
    data["categories"].append(category)
    found = only(check(data, root))
    assert (found.kind, found.where) == (kind, "categories[2]")


@pytest.mark.parametrize("section", ["images", "annotations"])
@pytest.mark.parametrize("entry", [None, [], 5, "x"])
def test_entries_that_are_no_objects(root, section, entry):
    data = clean()
    data[section].append(entry)
    found = only(check(data, root))
    assert (found.kind, found.where) == (f"{section[:-1]}-not-object", f"{section}[2]")


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
@pytest.mark.parametrize("value", [None, [], {}, "x"])
def test_empty_sections(root, section, value):
    data = clean()
    data[section] = value
    assert check(data, root).totals[f"no-{section}"] == 1
    del data[section]
    assert any(f.kind == f"no-{section}" and f.value == "key missing" for f in check(data, root).findings)


def test_only_crowds_teach_nothing(root):
    data = clean()
    for annotation in data["annotations"]:
        annotation["iscrowd"] = 1
    found = only(check(data, root))
    assert (found.kind, found.value) == ("no-annotations", "none of 2 can be used")


@pytest.mark.parametrize(
    "content, kind",
    [
        (b"\xef\xbb\xbf{}", "json-encoding"),
        ("{}".encode("utf-16"), "json-encoding"),
        (b'{"images": "\xe9"}', "json-encoding"),
        (b"", "json-syntax"),
        (json.dumps(clean()).encode()[:-20], "json-syntax"),
        (b"[" * 100_000, "json-syntax"),
        (b"9" * 5000, "json-syntax"),
        (b"[1, 2]", "not-an-object"),
        (b"null", "not-an-object"),
    ],
)
def test_files_that_are_no_coco_json(root, content, kind):
    path = root.parent / "x.json"
    path.write_bytes(content)
    assert check_dataset(path, root).errors[0].kind == kind


def test_objects_on_an_image(root):
    data = clean()
    data["annotations"].append({**data["annotations"][0], "id": 9})
    found = only(check(data, root))
    assert (found.kind, found.annotation_id, found.value) == ("bbox-duplicate", 9, "[10, 20, 30, 40]")
    data["annotations"][2]["bbox"] = [1, 1, 20, 20]
    found = only(check(data, root, max_detections=1))
    assert (found.kind, found.image_id, found.value) == ("objects-many", 1, "2 objects, TEST.DETECTIONS_PER_IMAGE 1")


def test_objects_too_small_at_the_training_size(root):
    data = clean()
    data["annotations"][0]["bbox"] = [10, 10, 9, 50]
    assert check(data, root, min_size=40, max_size=50).findings == []  # 9 px at 0.5: 4.5
    found = only(check(data, root, min_size=40, max_size=40))  # the longer edge decides: 9 px at 0.4
    assert (found.kind, found.annotation_id) == ("object-small", 7)
    assert found.value == "3.6x20.0 px at training size"


def test_same_picture_in_two_files_and_two_splits(root, tmp_path):
    shutil.copy(root / "a.png", root / "c.png")
    data = clean()
    data["images"].append({"id": 3, "file_name": "c.png", "width": 100, "height": 80})
    found = only(check(data, root))
    assert (found.kind, found.severity, found.image_id) == ("image-duplicate", "warning", 3)
    other = tmp_path / "val.json"
    other.write_text(json.dumps({"images": [{"id": 1, "file_name": "c.png"}]}))
    report = check(clean(), root, others=[(other, root)])
    assert (only(report).kind, only(report).image_id) == ("image-in-two-splits", 1)
    assert "c.png" in only(report).value
    other.write_text("[]")
    with pytest.raises(ValueError, match="val.json is no COCO JSON"):
        check(clean(), root, others=[(other, root)])


def test_images_can_be_left_alone(root):
    shutil.rmtree(root)
    root.mkdir()
    assert check(clean(), root, read_images=False).findings == []
    assert check(clean(), root).totals["image-missing"] == 2


def test_misspelt_paths_and_settings(root):
    check(clean(), root)
    with pytest.raises(FileNotFoundError, match="did you mean 'train.json'"):
        check_dataset(root.parent / "trian.json", root)
    with pytest.raises(FileNotFoundError, match="no folder in .* named 'image'; did you mean 'images'"):
        check_dataset(root.parent / "train.json", root.parent / "image" / "deep")
    with pytest.raises(ValueError, match="a file was expected"):
        check_dataset(root, root)
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        check(clean(), root, workers=0)


def test_report_holds_examples_and_counts_all(root):
    data = clean()
    data["annotations"] += [None] * (MAX_FINDINGS_PER_KIND + 5)
    report = check(data, root)
    assert report.num_errors == MAX_FINDINGS_PER_KIND + 5
    assert len(report.findings) == MAX_FINDINGS_PER_KIND
    assert "... and 10,002 more" in report.to_text()
    assert "ERROR annotation-not-object (10,005)" in report.to_text()


def test_report_text_and_dict(root):
    data = clean()
    data["images"][0]["file_name"] = "\x1b[31m\ud800.png"  # must neither colour the terminal nor fail to print
    data["annotations"][1]["bbox"] = [1, 2, 3]
    report = check(data, root)
    text = report.to_text()
    text.encode("utf-8")
    assert "\x1b" not in text
    assert "    image 2 'b.jpg', annotation 8: [1, 2, 3]\n  do: give [x, y, width, height] in pixels; --fix: " in text
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_every_kind_says_what_to_do():
    assert all(row.severity in ("error", "warning") and row.what and row.advice for row in KINDS.values())


def test_check_once(root, tmp_path, monkeypatch):
    check(clean(), root)
    arguments = (tmp_path / "train.json", root, tmp_path / "cache")
    first = check_once(*arguments)
    with monkeypatch.context() as patch:
        patch.setattr("dense_det.data.check.inspect_dataset", lambda *_: pytest.fail("checked again"))
        assert check_once(*arguments, workers=1) == first
    (root / "b.jpg").write_bytes(b"")
    assert check_once(*arguments).totals == {"image-unreadable": 1}
    os.remove(root / "b.jpg")
    assert check_once(*arguments).totals == {"image-missing": 1}
    assert check_once(*arguments, max_size=5).totals["object-small"] == 2  # other settings, another verdict
    for record in (tmp_path / "cache").iterdir():
        record.write_text('{"fingerprint": 1}')
    assert check_once(*arguments).totals == {"image-missing": 1}
    data = clean()
    data["annotations"] = []
    check(data, root)
    assert check_once(*arguments).totals["no-annotations"] == 1
