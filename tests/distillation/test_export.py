"""Names on the way to CVAT and Label Studio, and back."""

import argparse
import hashlib
import json
import xml.etree.ElementTree as ET
import zipfile

import pytest

from dense_det.distillation.commands import export, import_review, select
from dense_det.distillation.input_writer import InputWriter
from dense_det.distillation.label_studio import write_label_config
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.shard_file import ShardPredictions
from dense_det.distillation.work_folder import InputImage, Plan, WorkFolder

# from the most uncertain on: the scores of an image's Tables. As an end 1.jpg would be any of three
SCANS = {"b/1.jpg": [0.55], "a/1.jpg": [0.6, 0.9], "1.jpg": [0.65] * 4, "a/ü #50%+.jpg": [0.7] * 3}
URLS = {
    "b/1.jpg": "/data/local-files/?d=scans/b/1.jpg",
    "a/1.jpg": "/data/local-files/?d=scans/a/1.jpg",
    "1.jpg": "/data/local-files/?d=scans/1.jpg",
    "a/ü #50%+.jpg": "/data/local-files/?d=scans/a/%C3%BC%20%2350%25%2B.jpg",
}


def run(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return list(command.main(parser.parse_args([str(word) for word in words])))


@pytest.fixture
def scans(tmp_path, predictions, jpeg, write_tar):
    """A function that labels files of tmp_path/scans with the given scores, "pages.tar:1.jpg" a member; gives them."""

    def label(scores=SCANS):
        work, root = WorkFolder(tmp_path / "work"), tmp_path / "scans"
        writer, found = InputWriter(work.images, len(scores)), []
        for number, (name, rows) in enumerate(scores.items(), 1):
            file, _, member = name.partition(":")
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            content = jpeg(number)
            if member:
                write_tar(root / file, {member: content})
            else:
                (root / file).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            writer.add(InputImage(number, str(root / file), member or None, None, digest, 60, 40))
            found.append(predictions(number, *((score, 0, 1) for score in rows)))
        writer.close()
        ShardPredictions.join(found).save(work.images.predictions(0))
        work.images.failures(0).parent.mkdir(parents=True, exist_ok=True)
        work.images.failures(0).write_text("")
        work.write_plan(Plan(len(scores), len(scores), 1, [], {}, "", None))
        work.settle_manifest(Manifest(["Table", 'T & <"x">'], [], [], {}, 0.05, 100))
        options = ["--force", *(("--extract", tmp_path / "pages") if any(":" in name for name in scores) else ())]
        run(select, work.root, "--out", tmp_path / "pseudo.json", "--rule", "fixed", "--value", "0.5", *options)
        return root

    return label


def send(tmp_path, out, *options):
    return run(export, tmp_path / "work", tmp_path / "pseudo.json", "--out", tmp_path / out, *options)


def take_back(tmp_path, review, *options):
    """What import-review says, and the files with a person's boxes: how many."""
    lines = run(import_review, tmp_path / "pseudo.json", review, "--out", tmp_path / "reviewed.json", *options)
    coco = json.loads((tmp_path / "reviewed.json").read_text())
    reviewed = {image["id"]: image["file_name"] for image in coco["images"] if image.get("reviewed")}
    boxes = [row["image_id"] for row in coco["annotations"]]
    return lines, {name: boxes.count(image_id) for image_id, name in reviewed.items()}


def of_cvat(path):
    """(id, name, boxes) of each image."""
    return [(image.get("id"), image.get("name"), len(image)) for image in ET.parse(path).iter("image")]


def test_cvat_gets_paths_from_one_folder_numbered_in_their_order(tmp_path, scans):
    root = scans()
    told, how = send(tmp_path, "review.xml")
    assert told == f"{tmp_path}/review.xml: 4 images, 10 boxes"
    assert how.startswith("CVAT: make the task from exactly these images,") and f"paths from {root}," in how
    names = [("0", "1.jpg", 4), ("1", "a/1.jpg", 2), ("2", "a/ü #50%+.jpg", 3), ("3", "b/1.jpg", 1)]
    assert of_cvat(tmp_path / "review.xml") == names
    send(tmp_path, "two.xml", "--size", "2")
    assert of_cvat(tmp_path / "two.xml") == [("0", "a/1.jpg", 2), ("1", "b/1.jpg", 1)]
    send(tmp_path, "one.xml", "--size", "1")
    assert of_cvat(tmp_path / "one.xml") == [("0", "1.jpg", 1)]
    send(tmp_path, "share.xml", "--size", "1", "--root", tmp_path)
    assert of_cvat(tmp_path / "share.xml") == [("0", "scans/b/1.jpg", 1)]


def test_a_zip_holds_the_images_by_the_names_of_the_xml(tmp_path, scans):
    root = scans()
    told, how = send(tmp_path, "review.xml", "--zip")
    labels = 'with the labels Table, T & <"x">'
    assert how == f"CVAT: make the task of {tmp_path}/review.zip, {labels}; then upload the file as CVAT 1.1"
    with zipfile.ZipFile(tmp_path / "review.zip") as archive:
        assert archive.namelist() == [name for _, name, _ in of_cvat(tmp_path / "review.xml")]
        assert all(archive.read(name) == (root / name).read_bytes() for name in archive.namelist())
    (tmp_path / "mine.json").write_text('{"images": []}')
    with pytest.raises(ValueError, match="mine.json is a file of labels itself"):
        send(tmp_path, "mine.json", "--reviewed", tmp_path / "mine.json")
    with pytest.raises(ValueError, match="--zip is for CVAT, whose --out ends with .xml, got .*review.json"):
        send(tmp_path, "review.json", "--zip")
    (root / "b" / "1.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="b/1.jpg"):
        send(tmp_path, "gone.xml", "--zip")
    assert not list(tmp_path.glob("*gone*"))


OF_CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><job><id>7</id><start_frame>4</start_frame></job></meta>
  <image id="4" name="1.jpg" width="60" height="40">
    <box label="Table" source="file" occluded="0" xtl="0.00" ytl="5.00" xbr="8.00" ybr="15.00" z_order="0"></box>
    <box label="Table" source="file" occluded="0" xtl="10.00" ytl="5.00" xbr="18.00" ybr="15.00" z_order="0"></box>
    <box label="Table" source="file" occluded="0" xtl="20.00" ytl="5.00" xbr="28.00" ybr="15.00" z_order="0"></box>
    <box label="Table" source="file" occluded="0" xtl="30.00" ytl="5.00" xbr="38.00" ybr="15.00" z_order="0"></box>
  </image>
  <image id="5" name="a/ü #50%+.jpg" width="60" height="40">
    <box label="Table" source="file" occluded="0" xtl="0.00" ytl="5.00" xbr="8.00" ybr="15.00" z_order="0"></box>
    <box label="Table" source="manual" occluded="0" xtl="1.00" ytl="2.00" xbr="3.00" ybr="4.00" z_order="0"></box>
  </image>
  <image id="6" name="b/1.jpg" width="60" height="40"></image>
</annotations>"""


def test_what_cvat_sends_back(tmp_path, scans):
    """Of a job without a/1.jpg, with numbers of its own; nobody changed 1.jpg, and b/1.jpg has no box any more."""
    root = scans()
    send(tmp_path, "review.xml")
    (tmp_path / "annotations.xml").write_text(OF_CVAT, encoding="utf-8")
    lines, reviewed = take_back(tmp_path, tmp_path / "annotations.xml")
    assert reviewed == {f"{root}/a/ü #50%+.jpg": 2, f"{root}/b/1.jpg": 0}
    assert len(lines) == 2 and lines[1].startswith("1 left as they were")
    assert take_back(tmp_path, tmp_path / "annotations.xml", "--accept-untouched")[1] == reviewed | {f"{root}/1.jpg": 4}


def test_absolute_names_of_earlier_exports(tmp_path, scans):
    """Their record has no names."""
    root = scans()
    send(tmp_path, "review.xml")
    record = json.loads((tmp_path / "pseudo.exported.json").read_text())
    (tmp_path / "pseudo.exported.json").write_text(json.dumps({"images": record["images"]}))
    (tmp_path / "old.xml").write_text(OF_CVAT.replace('name="', f'name="{root}/'), encoding="utf-8")
    lines, reviewed = take_back(tmp_path, tmp_path / "old.xml")
    assert reviewed == {f"{root}/a/ü #50%+.jpg": 2, f"{root}/b/1.jpg": 0}
    assert len(lines) == 2 and lines[1].startswith("1 left as they were")
    (tmp_path / "ends.xml").write_text(OF_CVAT, encoding="utf-8")
    with pytest.raises(ValueError, match=r"ends\.xml, into .*: 1\.jpg may be any of .*scans/1\.jpg, "):
        take_back(tmp_path, tmp_path / "ends.xml")


def test_a_name_that_two_exports_gave_to_two_images_is_refused(tmp_path, scans):
    root = scans()
    send(tmp_path, "one.xml", "--size", "1")  # b/1.jpg, alone, is 1.jpg
    send(tmp_path, "review.xml")
    with pytest.raises(ValueError, match=rf"1\.jpg may be any of {root}/1\.jpg, {root}/b/1\.jpg: give it more"):
        take_back(tmp_path, tmp_path / "review.xml")


def test_cvat_cannot_tell_two_endings(tmp_path, scans):
    root = scans({"a/1.png": [0.55], "a/1.jpg": [0.6, 0.6], "a.b/1.jpg": [0.7] * 3, "a/1": [0.8]})
    told, left, _ = send(tmp_path, "review.xml")
    assert told.endswith("2 images, 4 boxes") and left.startswith("2 left out: CVAT cannot tell a.jpg from a.png")
    assert of_cvat(tmp_path / "review.xml") == [("0", "a.b/1.jpg", 3), ("1", "a/1.png", 1)]
    record = json.loads((tmp_path / "pseudo.exported.json").read_text())
    assert record["names"] == {"a.b/1.jpg": [f"{root}/a.b/1.jpg"], "a/1.png": [f"{root}/a/1.png"]}


def test_extracted_images_are_named_from_their_folder(tmp_path, scans):
    scans({"y/a.tar:1.jpg": [0.55], "x/b.tar:1.jpg": [0.6, 0.6]})
    with pytest.raises(ValueError, match="give --extract DIR"):
        send(tmp_path, "review.xml")
    _, how = send(tmp_path, "review.xml", "--extract", tmp_path / "pages")
    assert f"paths from {tmp_path}/pages," in how
    first, second = sorted(path.name for path in (tmp_path / "pages").iterdir())
    assert first.startswith("000000001-") and second.startswith("000000002-")
    assert of_cvat(tmp_path / "review.xml") == [("0", first, 1), ("1", second, 2)]
    _, reviewed = take_back(tmp_path, tmp_path / "review.xml", "--accept-untouched")
    assert reviewed == {f"{tmp_path}/pages/{first}": 1, f"{tmp_path}/pages/{second}": 2}


def test_extracted_images_beside_files(tmp_path, scans):
    scans({"b/a.tar:1.jpg": [0.55], "b/1.jpg": [0.6, 0.6]})
    send(tmp_path, "review.xml", "--extract", tmp_path / "pages")
    (page,) = (path.name for path in (tmp_path / "pages").iterdir())
    assert of_cvat(tmp_path / "review.xml") == [("0", f"pages/{page}", 1), ("1", "scans/b/1.jpg", 2)]


def test_label_studio_gets_addresses_from_its_document_root(tmp_path, scans):
    """The document root is the folder above: Label Studio takes only what lies below it for a storage."""
    root = scans()
    told, how = send(tmp_path, "review.json")
    assert told == f"{tmp_path}/review.json: 4 images, 10 boxes"
    assert "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true" in how and f"config {tmp_path}/review.config.xml," in how
    assert f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={tmp_path}," in how and f"local storage {root} to it" in how
    tasks = json.loads((tmp_path / "review.json").read_text())
    assert [task["data"]["image"] for task in tasks] == list(URLS.values())  # the most uncertain first
    for task in tasks:
        task["annotations"] = [{"result": task["predictions"][0]["result"]}]
    (tmp_path / "back.json").write_text(json.dumps(tasks[1:]))
    assert take_back(tmp_path, tmp_path / "back.json")[1] == {
        f"{root}/{name}": len(SCANS[name]) for name in [*URLS][1:]
    }


def test_label_studio_below_another_document_root(tmp_path, scans):
    root = scans({name: SCANS[name] for name in ("b/1.jpg", "a/1.jpg")})
    _, how = send(tmp_path, "review.json", "--root", root)
    tasks = json.loads((tmp_path / "review.json").read_text())
    assert [task["data"]["image"] for task in tasks] == [f"/data/local-files/?d={name}/1.jpg" for name in "ba"]
    assert f"DOCUMENT_ROOT={root}," in how and f"local storage {root}/a and {root}/b to it" in how
    with pytest.raises(
        ValueError, match=rf"{root}/a/1\.jpg does not lie below --root {root}/b: name a folder above all"
    ):
        send(tmp_path, "other.json", "--root", root / "b")
    with pytest.raises(ValueError, match=rf"1\.jpg lies in the document root {root}/b itself, .*: give a --root above"):
        send(tmp_path, "other.json", "--root", root / "b", "--size", "1")
    assert not (tmp_path / "other.json").exists() and not (tmp_path / "other.config.xml").exists()


def test_an_export_to_label_studio_leaves_what_cvat_knows(tmp_path, scans):
    """Boxes that a later select changed go to Label Studio: those that CVAT was given are still the last it got."""
    root = scans()
    send(tmp_path, "review.xml")
    before = json.loads((tmp_path / "pseudo.exported.json").read_text())
    send(tmp_path, "review.json")
    after = json.loads((tmp_path / "pseudo.exported.json").read_text())
    assert after["images"] == before["images"] and before["names"].items() <= after["names"].items()
    assert after["names"]["scans/a/ü #50%+.jpg"] == [f"{root}/a/ü #50%+.jpg"]


def test_a_second_review_leaves_what_a_person_did_in_the_first(tmp_path, scans):
    """b/1.jpg, the most uncertain, was corrected in the first; the second has it as it was uploaded, and a/1.jpg."""
    root = scans()
    send(tmp_path, "one.xml", "--size", "1")
    first = OF_CVAT[: OF_CVAT.index("<image")] + (
        '<image id="0" name="1.jpg" width="60" height="40">'
        '<box label="Table" source="manual" xtl="1.00" ytl="2.00" xbr="3.00" ybr="4.00"/></image></annotations>'
    )
    (tmp_path / "first.xml").write_text(first)
    assert take_back(tmp_path, tmp_path / "first.xml")[1] == {f"{root}/b/1.jpg": 1}

    send(tmp_path, "two.xml", "--size", "2")
    boxes = (tmp_path / "two.xml").read_text().replace('source="auto"', 'source="file"')
    changed = boxes.replace('source="file"', 'source="manual"', 1)  # of a/1.jpg, the first by name
    (tmp_path / "second.xml").write_text(changed)
    reviewed = tmp_path / "reviewed.json"
    lines = run(import_review, reviewed, tmp_path / "second.xml", "--out", tmp_path / "both.json")
    assert lines[-1].startswith("1 left as they were")
    coco = json.loads((tmp_path / "both.json").read_text())
    of_first = next(image["id"] for image in coco["images"] if image["file_name"] == f"{root}/b/1.jpg")
    (box,) = (row["bbox"] for row in coco["annotations"] if row["image_id"] == of_first)
    assert box == [1, 2, 2, 2], "the person's"

    send(tmp_path, "next.xml", "--size", "1", "--reviewed", tmp_path / "both.json")
    assert of_cvat(tmp_path / "next.xml") == [("0", "1.jpg", 4)], "the third most uncertain"


def test_the_labelling_config(tmp_path, scans):
    scans()
    send(tmp_path, "review.json")
    assert (tmp_path / "review.config.xml").read_text() == (
        '<View>\n  <Image name="image" value="$image" />\n  <RectangleLabels name="label" toName="image" '
        'canRotate="false">\n    <Label value="Table" background="#0072b2" />\n'
        '    <Label value="T &amp; &lt;&quot;x&quot;&gt;" background="#d55e00" />\n'
        "  </RectangleLabels>\n</View>"
    )
    write_label_config(tmp_path / "a.xml", ["Straße"])
    assert '<Label value="Straße" background="#0072b2" />' in (tmp_path / "a.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("out", ["review.xml", "review.json"])
def test_nothing_to_export(tmp_path, scans, out):
    scans({"1.jpg": [0.1]})
    assert send(tmp_path, out) == [f"{tmp_path}/{out}: 0 images, 0 boxes"]
