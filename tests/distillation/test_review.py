import argparse
import json
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from dense_det.data.catalog import is_pseudo
from dense_det.distillation.commands import export, import_review, select
from dense_det.distillation.cvat import read_cvat, write_cvat
from dense_det.distillation.label_studio import read_label_studio, write_label_studio
from dense_det.distillation.review import ReviewBox, ReviewImage, merge_review, uncertainty
from dense_det.distillation.review_file import read_review
from dense_det.distillation.review_name import ReviewNames
from dense_det.distillation.rule import Rule
from dense_det.distillation.untouched import add_to_record

IMAGES = [
    ReviewImage(
        "/a/ü.jpg", 617, 877, (ReviewBox("Table", (0.01, 3.33, 616.99, 877.0)), ReviewBox("T & <x>", (1, 2, 3, 4)))
    ),
    ReviewImage("/b.jpg", 10, 10, ()),
]


def run(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return list(command.main(parser.parse_args([str(word) for word in words])))


def annotate(path):
    """What Label Studio's export of tasks is whose predictions a person accepted."""
    tasks = json.loads(path.read_text())
    for task in tasks:
        task["annotations"] = [{"result": task["predictions"][0]["result"], "was_cancelled": False}]
    path.write_text(json.dumps(tasks))


def test_round_trips_are_exact(tmp_path):
    write_cvat(tmp_path / "a.xml", IMAGES, ["Table", "T & <x>"])
    assert read_cvat(tmp_path / "a.xml") == [replace(IMAGES[0], as_uploaded=True), replace(IMAGES[1], as_uploaded=None)]
    write_label_studio(tmp_path / "a.json", IMAGES)
    assert read_label_studio(tmp_path / "a.json") == []  # nobody has annotated
    annotate(tmp_path / "a.json")
    urls = ["/data/local-files/?d=/a/%C3%BC.jpg", "/data/local-files/?d=/b.jpg"]
    named = [replace(image, file_name=url) for image, url in zip(IMAGES, urls, strict=True)]
    assert read_label_studio(tmp_path / "a.json") == named


def test_names_that_xml_cannot_hold(tmp_path):
    name = "/a\n\udcff\x01.jpg"
    write_cvat(tmp_path / "a.xml", [ReviewImage(name, 9, 9, (ReviewBox("A", (1, 1, 3, 4)),))], ["A"])
    old = {"id": 4, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}
    coco = {
        "images": [{"id": 7, "file_name": name}],
        "annotations": [old],
        "categories": [{"id": 1, "name": "A"}],
    }
    (image,) = read_cvat(tmp_path / "a.xml")
    merged = merge_review(coco, [replace(image, file_name=ReviewNames([name]).find(image.file_name))])
    assert merged["images"] == [{"id": 7, "file_name": name, "reviewed": True}]
    assert [row["bbox"] for row in merged["annotations"]] == [[1, 1, 2, 3]]


def test_label_studio_has_percents(tmp_path):
    write_label_studio(tmp_path / "a.json", [ReviewImage("x", 200, 50, (ReviewBox("A", (20, 5, 120, 30), 0.5),))])
    (region,) = json.loads((tmp_path / "a.json").read_text())[0]["predictions"][0]["result"]
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["A"]}
    assert region["value"] == value and region["score"] == 0.5


def test_uncertainty_by_hand(predictions):
    rule = Rule(np.array([0.5], np.float32))
    # at the threshold, half of the views, spread .1
    assert uncertainty(predictions(1, (0.5, 0, 0.5), (0.9, 0, 1)), rule) == pytest.approx(1 + 0.5 + 0.1)
    assert uncertainty(predictions(1, (0.75, 0, 1)), rule) == pytest.approx(0.5 + 0.1)
    assert uncertainty(predictions(1, (0.1, 0, 1)), rule) == 0


@pytest.mark.filterwarnings("error")
def test_uncertainty_where_no_score_is_enough(predictions):
    rule = Rule(np.array([np.inf], np.float32))
    assert uncertainty(predictions(1, (0.8, 0, 1)), rule) == pytest.approx(1 - 0.2 + 0.1)


@pytest.mark.filterwarnings("error")
def test_uncertainty_at_a_threshold_of_0(predictions):
    rule = Rule(np.array([0.0], np.float32))
    assert uncertainty(predictions(1, (0.5, 0, 1)), rule) == pytest.approx(0.1)
    assert uncertainty(predictions(1, (0.0, 0, 1)), rule) == pytest.approx(1.1)


def test_a_person_wins():
    coco = {
        "categories": [{"id": 1, "name": "Table"}],
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 9, "height": 9} for n in (1, 2)],
        "annotations": [{"id": n, "image_id": 1 + n % 2, "category_id": 1, "score": 0.5} for n in (1, 2, 3)],
    }
    reviewed = [ReviewImage("2.jpg", 9, 9, (ReviewBox("Table", (1, 2, 4, 6)),)), ReviewImage("/new.jpg", 5, 5, ())]
    merged = merge_review(coco, reviewed)
    assert merged["annotations"] == [
        {"id": 2, "image_id": 1, "category_id": 1, "score": 0.5},
        {"id": 4, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
    ]
    assert [(row["id"], row.get("reviewed", False)) for row in merged["images"]] == [(1, False), (2, True), (3, True)]
    with pytest.raises(ValueError, match="none of"):
        merge_review(coco, [ReviewImage("2.jpg", 9, 9, (ReviewBox("Tabel", (1, 2, 4, 6)),))])
    with pytest.raises(ValueError, match="twice"):
        merge_review(coco, reviewed[:1] * 2)
    with pytest.raises(ValueError, match=r"2\.jpg: reviewed with .*'width': 90"):
        merge_review(coco, [ReviewImage("2.jpg", 90, 9, ())])


CVAT = '<annotations><image name="a.jpg" width="{w}" height="50"><box label="A" {more} {sides}/></image></annotations>'


def write_cvat_box(path, sides=("1", "2", "30", "40"), more="", w="100"):
    named = " ".join(f'{key}="{side}"' for key, side in zip(("xtl", "ytl", "xbr", "ybr"), sides, strict=True))
    path.write_text(CVAT.format(sides=named, more=more, w=w))


def write_label_studio_box(path, image="a.jpg", labels=("A",), **value):
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": list(labels)} | value
    annotation = {"result": [{"type": "rectanglelabels", "value": value}]}
    data = {"image": image, "width": 100, "height": 50}
    path.write_text(json.dumps([{"data": data, "annotations": [annotation]}]))


@pytest.mark.parametrize(
    "box, is_uploaded",
    [
        ('source="auto"', True),
        ('source="file"', True),
        ('source="manual"', False),
        ('source="semi-auto"', False),
        ("", True),  # of another program; whether it is as it was tells the record
    ],
)
def test_what_cvat_says_of_boxes(tmp_path, box, is_uploaded):
    write_cvat_box(tmp_path / "a.xml", more=box)
    assert read_review(tmp_path / "a.xml")[0].as_uploaded == is_uploaded
    text = (tmp_path / "a.xml").read_text()
    (tmp_path / "a.xml").write_text(text.replace("</image>", '<tag label="A" source="manual"/></image>'))
    assert not read_review(tmp_path / "a.xml")[0].as_uploaded


def test_boxes_are_cut_at_the_edge(tmp_path):
    cut = [ReviewImage("a.jpg", 100, 50, (ReviewBox("A", (0, 5, 100, 50)),))]
    write_cvat_box(tmp_path / "a.XML", ("-3", "5", "101.5", "99"), 'rotation="0.00" source="manual"')
    assert read_review(tmp_path / "a.XML") == cut
    write_label_studio_box(tmp_path / "a.json", x=-20, width=500, height=200)
    assert read_review(tmp_path / "a.json") == cut


@pytest.mark.parametrize(
    "wrong, saying",
    [
        ({"more": 'rotation="45.00"'}, "a A on a.jpg is turned by 45.00"),
        ({"sides": ("nan", "2", "3", "4")}, "a A on a.jpg has the sides nan, 2.0, 3.0, 4.0: expected"),
        ({"sides": ("1", "2", "inf", "4")}, "a A on a.jpg has the sides"),
        ({"sides": ("9", "2", "3", "4")}, "a A on a.jpg has the sides"),
        ({"sides": ("200", "2", "300", "4")}, "a A on a.jpg has the sides .* within 100 x 50 pixels"),
        ({"sides": ("abc", "2", "3", "4")}, "a A on a.jpg .*'abc'"),
        ({"w": "1e2"}, "a.jpg: expected width and height in whole pixels, got '1e2' and '50'"),
    ],
)
def test_impossible_boxes_of_cvat(tmp_path, wrong, saying):
    write_cvat_box(tmp_path / "b.xml", **wrong)
    with pytest.raises(ValueError, match=rf"b\.xml: {saying}"):
        read_review(tmp_path / "b.xml")


@pytest.mark.parametrize(
    "wrong, saying",
    [
        ({"rotation": 45}, "a A on a.jpg is turned by 45"),
        ({"x": float("nan")}, "a A on a.jpg has the sides"),
        ({"x": float("inf")}, "a A on a.jpg has the sides"),
        ({"width": -5}, "a A on a.jpg has the sides 10.0, 5.0, 5.0, 30.0"),
        ({"x": 101}, "a A on a.jpg has the sides"),
        ({"x": "1"}, "no export"),
        ({"x": 10**400}, "no export"),
        ({"labels": ()}, "a box on a.jpg has no class"),
        ({"image": ["a"]}, "an image has the name .'a'."),
        ({"image": {"a": 1}}, "an image has the name"),
    ],
)
def test_impossible_boxes_of_label_studio(tmp_path, wrong, saying):
    write_label_studio_box(tmp_path / "b.json", **wrong)
    with pytest.raises(ValueError, match=rf"b\.json: {saying}"):
        read_review(tmp_path / "b.json")


def answers_of(path, *annotations):
    """The left edges of the boxes of the one task that a person annotated so."""
    box = {"y": 10, "width": 50, "height": 50, "rectanglelabels": ["A"]}
    made = [
        {"result": [{"type": "rectanglelabels", "value": box | {"x": x}}], **more} for x, more in enumerate(annotations)
    ]
    path.write_text(json.dumps([{"data": {"image": "a.jpg", "width": 100, "height": 50}, "annotations": made}]))
    return [box.box[0] for image in read_review(path) for box in image.boxes]


def test_one_of_several_annotations_of_a_task_counts(tmp_path):
    old, new = {"updated_at": "2025-01-01T10:00:00.5Z"}, {"updated_at": "2025-02-01T09:00:00.5Z"}
    for annotations, chosen in (
        ([{}, {}], 1),
        ([new, old], 0),
        ([new, old | {"ground_truth": True}], 1),
        ([old | {"ground_truth": True}, new | {"ground_truth": True}, new], 1),
        ([old, new | {"was_cancelled": True}], 0),
        ([{"updated_at": None}, {}, old], 2),
    ):
        assert answers_of(tmp_path / "a.json", *annotations) == [chosen], annotations


def test_a_box_of_two_classes(tmp_path):
    write_label_studio_box(tmp_path / "b.json", labels=("A", "B"))
    with pytest.raises(ValueError, match=r"b\.json: a box on a\.jpg has the classes \['A', 'B'\]: expected one"):
        read_review(tmp_path / "b.json")


def test_other_formats_of_the_tools_are_named(tmp_path):
    (tmp_path / "min.json").write_text('[{"image": "a.jpg", "width": 9, "height": 9, "label": []}]')
    with pytest.raises(ValueError, match=r"min\.json: .*JSON-MIN: export from Label Studio as JSON"):
        read_review(tmp_path / "min.json")
    (tmp_path / "video.xml").write_text('<annotations><track id="0" label="A"><box frame="0"/></track></annotations>')
    with pytest.raises(ValueError, match=r'video\.xml: .*export from CVAT as "CVAT for images 1\.1"'):
        read_review(tmp_path / "video.xml")
    (tmp_path / "result.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(ValueError, match=r"result\.json: no list of tasks.*export from Label Studio as JSON"):
        read_review(tmp_path / "result.json")


def test_the_zip_that_cvat_gives(tmp_path):
    write_cvat_box(tmp_path / "annotations.xml")
    with zipfile.ZipFile(tmp_path / "job.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "annotations.xml", "annotations.xml")
        archive.writestr("images/a.jpg", b"1234")
    assert read_review(tmp_path / "job.zip") == read_review(tmp_path / "annotations.xml")
    content = bytearray((tmp_path / "job.zip").read_bytes())
    content[60] ^= 255
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.zip: a damaged ZIP file .*: export it again"):
        read_review(tmp_path / "bad.zip")
    with zipfile.ZipFile(tmp_path / "coco.zip", "w") as archive:
        archive.writestr("annotations/instances.json", "{}")
    with pytest.raises(ValueError, match=r"coco\.zip: a ZIP file without annotations\.xml: export from CVAT as"):
        read_review(tmp_path / "coco.zip")


def test_a_json_with_a_byte_order_mark(tmp_path):
    write_label_studio_box(tmp_path / "b.json")
    (tmp_path / "b.json").write_text((tmp_path / "b.json").read_text(), encoding="utf-8-sig")
    assert len(read_review(tmp_path / "b.json")) == 1


def test_other_shapes_are_not_lost_in_silence(tmp_path):
    write_cvat_box(tmp_path / "b.xml")
    text = (tmp_path / "b.xml").read_text()
    (tmp_path / "b.xml").write_text(text.replace("</image>", '<tag label="A"></tag></image>'))
    assert len(read_review(tmp_path / "b.xml")[0].boxes) == 1
    (tmp_path / "b.xml").write_text(text.replace("</image>", '<polygon label="A" points="1,2;3,4;5,6"/></image>'))
    with pytest.raises(ValueError, match="b.xml: a polygon on a.jpg: only boxes are read"):
        read_review(tmp_path / "b.xml")
    write_label_studio_box(tmp_path / "b.json")
    tasks = json.loads((tmp_path / "b.json").read_text())
    result = tasks[0]["annotations"][-1]["result"]
    result[0]["id"] = "b1"
    # of the image, of nothing, and of the box: that has its sides once more
    result += [{"type": "choices", "value": {"choices": ["blurred"]}}, {"type": "relation", "value": None}]
    result.append({"type": "choices", "id": "b1", "value": result[0]["value"] | {"choices": ["blurred"]}})
    (tmp_path / "b.json").write_text(json.dumps(tasks))
    assert len(read_review(tmp_path / "b.json")[0].boxes) == 1
    for kind, value in (
        ("polygonlabels", {"points": [[1, 2], [3, 4], [5, 6]]}),
        ("bitmasklabels", {"imageDataURL": ""}),
    ):
        result.append({"type": kind, "id": "s1", "value": value | {kind: ["A"]}})
        (tmp_path / "b.json").write_text(json.dumps(tasks))
        with pytest.raises(ValueError, match=f"b.json: a {kind} on a.jpg: only boxes are read"):
            read_review(tmp_path / "b.json")
        result.pop()


@pytest.mark.parametrize("kind", ["xml", "json"])
def test_export_and_back(tmp_path, labelled_work, kind):
    labelled_work()
    labels, review = tmp_path / "pseudo.json", tmp_path / f"review.{kind}"
    run(select, tmp_path / "work", "--out", labels)
    assert run(export, tmp_path / "work", labels, "--out", review, "--size", "1")[0].endswith("1 images, 3 boxes")
    if kind == "json":
        annotate(review)
    else:
        tree = ET.parse(review)
        assert [image.get("name") for image in tree.iter("image")] == ["1.jpg"]
    (line,) = run(import_review, labels, review, "--out", tmp_path / "reviewed.json", "--accept-untouched")
    assert line.endswith("1 of 2 images have a person's boxes: 1 replaced, 0 added")
    coco = json.loads((tmp_path / "reviewed.json").read_text())
    assert [a["iscrowd"] for a in coco["annotations"] if a["image_id"] == 1] == [0, 0, 0]
    assert all(("score" in a) == (a["image_id"] == 2) for a in coco["annotations"])
    before = {a["id"]: a["bbox"] for a in json.loads(labels.read_text())["annotations"]}
    assert [a["bbox"] for a in coco["annotations"] if a["image_id"] == 1] == [before[k] for k in (1, 2, 3)]
    assert is_pseudo(tmp_path / "reviewed.json")


def test_labels_are_not_overwritten_by_what_is_exported_of_them(tmp_path, labelled_work):
    labelled_work()
    labels = tmp_path / "pseudo.json"
    run(select, tmp_path / "work", "--out", labels)
    before = labels.read_bytes()
    with pytest.raises(ValueError, match=r"pseudo\.json is a file of labels itself: name another one"):
        run(export, tmp_path / "work", labels, "--out", tmp_path / "work" / ".." / "pseudo.json")
    assert labels.read_bytes() == before


def test_names_of_a_tool_find_the_images_and_their_dropped_neighbours(tmp_path, labelled_work):
    """1.jpg and 2.jpg have labels, 3.jpg has none: select dropped it."""
    labelled_work()
    labels, review, out = (tmp_path / name for name in ("pseudo.json", "review.xml", "reviewed.json"))
    run(select, tmp_path / "work", "--out", labels)
    write_cvat(review, [ReviewImage(f"{n}.jpg", 60, 40, (ReviewBox("Text", (1, 2, 3, 4)),)) for n in (1, 3)], [])
    (line,) = run(import_review, labels, review, "--out", out, "--accept-untouched")
    assert line.endswith("2 of 3 images have a person's boxes: 1 replaced, 1 added")
    coco = json.loads(out.read_text())
    assert [image["file_name"] for image in coco["images"]] == [str(tmp_path / f"{n}.jpg") for n in (1, 2, 3)]
    assert [a["bbox"] for a in coco["annotations"] if a["image_id"] != 2] == [[1, 2, 2, 2]] * 2
    write_cvat(review, [ReviewImage("4.jpg", 60, 40, ())], [])
    with pytest.raises(ValueError, match=r"review\.xml, into .*pseudo\.json: no image of the labels is 4\.jpg"):
        run(import_review, labels, review, "--out", out)


@pytest.mark.parametrize("more", [(), ("--accept-untouched",)])
def test_the_end_of_an_exported_name_is_enough_where_the_labels_dropped_its_whole_folder(tmp_path, labelled_work, more):
    labelled_work()
    labels, review, out = (tmp_path / name for name in ("pseudo.json", "review.xml", "reviewed.json"))
    run(select, tmp_path / "work", "--out", labels)
    box, other = (ReviewBox("Text", (1, 2, 3, side)) for side in (4, 5))
    add_to_record(tmp_path / "pseudo.exported.json", [ReviewImage("/scans/old/7.jpg", 60, 40, (box,))])
    write_cvat(review, [ReviewImage("old/7.jpg", 60, 40, (other,))], [])
    (line,) = run(import_review, labels, review, "--out", out, *more)
    assert line.endswith("1 of 3 images have a person's boxes: 0 replaced, 1 added")
    assert json.loads(out.read_text())["images"][-1]["file_name"] == "/scans/old/7.jpg"


def test_what_nobody_changed_stays_as_it_was(tmp_path, labelled_work):
    labelled_work()
    labels, review, out = (tmp_path / name for name in ("pseudo.json", "review.xml", "reviewed.json"))
    run(select, tmp_path / "work", "--out", labels)
    run(export, tmp_path / "work", labels, "--out", review)
    with pytest.raises(
        ValueError, match=r"review\.xml.*: nobody changed a box on any of its 2 images; if a person looked"
    ):
        run(import_review, labels, review, "--out", out)
    assert not out.exists()
    text = review.read_text()
    review.write_text(text.replace('"auto"', '"file"').replace('label="Text"', 'label="Table"', 1))  # its source stays
    told, left = run(import_review, labels, review, "--out", out)
    assert told.endswith("1 of 2 images have a person's boxes: 1 replaced, 0 added")
    assert left.startswith("1 left as they were: nobody changed a box there; if a person looked at all of them")
    before, after = (json.loads(path.read_text()) for path in (labels, out))
    (untouched,) = (image["id"] for image in after["images"] if "reviewed" not in image)
    rows = [[row for row in tree["annotations"] if row["image_id"] == untouched] for tree in (before, after)]
    assert rows[0] == rows[1] != []


def test_corrections_on_images_that_the_labels_dropped(tmp_path, labelled_work):
    """Of 2.jpg all boxes are unsure."""
    labelled_work()
    labels, review, out = (tmp_path / name for name in ("pseudo.json", "review.xml", "reviewed.json"))
    run(select, tmp_path / "work", "--out", labels, "--rule", "fixed", "--value", "0.85", "--force")
    assert [image["file_name"] for image in json.loads(labels.read_text())["images"]] == [str(tmp_path / "1.jpg")]
    run(export, tmp_path / "work", labels, "--out", review)
    with pytest.raises(ValueError, match="nobody changed a box on any of its 2 images"):
        run(import_review, labels, review, "--out", out)
    tree = ET.parse(review)
    box = next(tree.find("image[@name='2.jpg']").iter("box"))
    box.set("label", {"Text": "Table", "Table": "Text"}[box.get("label")])  # its source stays
    done = tmp_path / "downloads" / "annotations.xml"
    done.parent.mkdir()
    tree.write(done)
    told, left = run(import_review, labels, done, "--out", out)
    assert told.endswith("1 of 2 images have a person's boxes: 0 replaced, 1 added")
    assert left.startswith("1 left as they were: nobody changed a box there")
    (tmp_path / "pseudo.exported.json").unlink()
    told, unknown, left = run(import_review, labels, done, "--out", out)
    assert told.endswith("1 of 2 images have a person's boxes: 0 replaced, 1 added")
    assert unknown.startswith("1 of these may be as they were uploaded") and "pseudo.exported.json" in unknown
    assert unknown.endswith("(there is no such file)") and left.startswith("1 left as they were")


def test_what_is_no_review_is_answered(tmp_path):
    with pytest.raises(ValueError, match=r"\.xml"):
        run(export, tmp_path, "x", "--out", "a.csv")
    with pytest.raises(ValueError, match="--size must be at least 1, got -1"):
        run(export, tmp_path, "x", "--out", "a.xml", "--size", "-1")
    (tmp_path / "empty.json").touch()
    with pytest.raises(ValueError, match=r"empty\.json: not JSON"):
        run(import_review, "x", tmp_path / "empty.json", "--out", "y")
    (tmp_path / "a.xml").write_text("<annotations")
    with pytest.raises(ValueError, match="not XML"):
        run(import_review, "x", tmp_path / "a.xml", "--out", "y")
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(ValueError, match="no export"):
        run(import_review, "x", tmp_path / "a.json", "--out", "y")
