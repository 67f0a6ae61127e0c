"""Properties over randomly spoilt COCO files: a check never raises, its silence can be believed, and a fix is clean."""

import json
import logging
import os
from copy import deepcopy

import numpy as np
import pytest
from detectron2.data import DatasetMapper, MetadataCatalog
from detectron2.data.build import filter_images_with_only_crowd_annotations, print_instances_class_histogram
from detectron2.data.datasets import load_coco_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dense_det.data.check import check_dataset
from dense_det.data.check_fix import NothingLeft, fix_dataset

ODD = st.sampled_from(
    [None, True, False, 0, 1, 2, 3, -1, 10**30, 0.5, 2.0, 1e-320, 1e300, float("nan"), float("inf"), "", "1", "2", "b",
     "ä", "\0", "\ud800", "../a.png", "a.png", "b.png", "broken.png",
     [], {}, [[]], [1, 2, 3], [1, 2, 3, 4], [1, 2, "3", 4],
     [-5, -5, 9, 9], [0, 0, 10**30, 5], [0, 0, float("nan"), 5], [-1e300, 0, 2e300, 5], [38, 28, 9, 9],
     [[1, 1, 9, 1, 9, 9]], [[1, 1]], [5], {"counts": [1200], "size": [30, 40]}, {"counts": "PPPP", "size": [30, 40]},
     {"counts": [1], "size": [10**9, 10**9]}, {"size": None}, [1, 2, 2], 2**63]
)  # fmt: skip
FIELDS = st.sampled_from(
    "id image_id category_id bbox area iscrowd ignore segmentation keypoints file_name width height name extra".split()
)
SECTIONS = st.sampled_from(["images", "annotations", "categories"])
INDEX = st.integers(0, 5)
MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), SECTIONS, INDEX, FIELDS, ODD),
        st.tuples(st.just("remove"), SECTIONS, INDEX, FIELDS, st.none()),
        st.tuples(st.just("number"), st.just("annotations"), INDEX, INDEX, ODD),
        st.tuples(st.just("entry"), SECTIONS, INDEX, st.none(), ODD),
        st.tuples(st.just("copy"), SECTIONS, INDEX, st.none(), st.none()),
        st.tuples(st.just("section"), SECTIONS, st.none(), st.none(), ODD),
    ),
    max_size=5,
)


def valid() -> dict:
    """Three images of 40x30, six objects; JSON-able."""
    box = {"area": 100, "iscrowd": 0, "segmentation": [[5, 5, 15, 5, 15, 15]], "keypoints": [5, 5, 2]}
    return {
        "images": [{"id": i, "file_name": f"{n}.png", "width": 40, "height": 30} for i, n in enumerate("abc", 1)],
        "categories": [{"id": 1, "name": "Table"}, {"id": 5, "name": "Picture"}],
        "annotations": [
            {"id": i, "image_id": i % 3 + 1, "category_id": 1 + 4 * (i % 2), "bbox": [i, 2, 20, 10], **deepcopy(box)}
            for i in range(1, 7)
        ],
    }


def spoil(data: dict, mutations) -> dict:
    for action, name, index, field, value in mutations:
        section = data.get(name)
        if action == "section":
            data[name] = value
        elif type(section) is list and index < len(section):
            entry = section[index]
            if action == "entry":
                section[index] = value
            elif action == "copy":
                section.append(deepcopy(entry))
            elif type(entry) is dict and action == "set":
                entry[field] = deepcopy(value)
            elif type(entry) is dict and action == "remove":
                entry.pop(field, None)
            elif type(entry) is dict and type(entry.get("bbox")) is list and field < len(entry["bbox"]):
                entry["bbox"][field] = value
    return data


def load_as_detectron2_does(path, root) -> None:
    """Every step of a training's input; raises where Detectron2 would, and on boxes that teach nothing."""
    metadata = MetadataCatalog.get("check_fix_property")
    try:
        records = load_coco_json(str(path), str(root), "check_fix_property")
        print_instances_class_histogram(records, metadata.thing_classes)
    finally:
        MetadataCatalog.remove("check_fix_property")
    mapper = DatasetMapper(is_train=True, augmentations=[], image_format="BGR")
    usable = filter_images_with_only_crowd_annotations(records)
    assert usable
    for record in usable:
        instances = mapper(deepcopy(record))["instances"]
        boxes = instances.gt_boxes.tensor.numpy()
        assert len(boxes) == sum(not annotation.get("iscrowd", 0) for annotation in record["annotations"])
        assert np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()


def evaluate_as_pycocotools_does(path) -> None:
    truth = COCO(str(path))
    image_id, category_id = next(iter(truth.imgs)), next(iter(truth.cats))
    guess = {"image_id": image_id, "category_id": category_id, "bbox": [0, 0, 5, 5], "score": 1}
    evaluation = COCOeval(truth, truth.loadRes([guess]), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    logging.getLogger("detectron2").setLevel(logging.ERROR)
    root = tmp_path_factory.mktemp("images")
    for number, name in enumerate("abc"):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(root / f"{name}.png")
    (root / "broken.png").write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # a hundred waits for a busy disk prove nothing here
        yield root


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(mutations=MUTATIONS)
def test_check_never_raises_and_its_silence_can_be_believed(folder, mutations):
    path, out = folder / "spoilt.json", folder / "fixed.json"
    path.write_text(json.dumps(spoil(valid(), mutations)))
    report = check_dataset(path, folder)
    report.to_text(examples=None).encode()
    if report.num_errors == 0:
        load_as_detectron2_does(path, folder)

    try:
        assert fix_dataset(path, folder, out)[0] == report
    except NothingLeft:
        assert report.num_errors
        return
    assert check_dataset(out, folder).errors == []
    load_as_detectron2_does(out, folder)
    evaluate_as_pycocotools_does(out)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=60), st.recursive(
    st.one_of(ODD, st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.dictionaries(st.sampled_from(["images", "annotations", "categories", "id", "bbox"]), inner)
    | st.lists(inner, max_size=4), max_leaves=20)))  # fmt: skip
def test_any_file_at_all_is_answered_with_a_report(folder, content):
    path = folder / "any.json"
    path.write_bytes(content if type(content) is bytes else json.dumps(content).encode())
    assert check_dataset(path, folder).num_errors > 0


def test_what_is_repaired_and_what_is_dropped(folder):
    data = valid()
    annotations = data["annotations"]
    annotations[0]["bbox"] = [-5, 2, 20, 10]  # clipped
    annotations[1].update(id=1, category_id="5")  # renumbered, read
    annotations[2].pop("area")
    annotations[2].pop("iscrowd")
    annotations[3]["image_id"] = 77  # dropped
    annotations[4]["segmentation"] = [[1, 2]]  # the box stays
    data["images"][0].update(width=1)  # from the file
    data["images"].append({"id": 9, "file_name": "broken.png", "width": 1, "height": 1})
    data["info"] = {"year": float("nan")}
    path, out = folder / "repair.json", folder / "repaired.json"
    path.write_text(json.dumps(data))
    report, lines = fix_dataset(path, folder, out)
    fixed = json.loads(out.read_text(), parse_constant=lambda token: pytest.fail(token))
    by_id = {annotation["id"]: annotation for annotation in fixed["annotations"]}
    assert sorted(by_id) == [1, 2, 3, 5, 6]
    assert by_id[1]["bbox"] == [0, 2, 15, 10]
    assert (by_id[2]["bbox"], by_id[2]["category_id"]) == ([2, 2, 20, 10], 5)
    assert (by_id[3]["area"], by_id[3]["iscrowd"]) == (200, 0)
    assert "segmentation" not in by_id[5]
    assert [(image["id"], image["width"], image["height"]) for image in fixed["images"]] == [
        (1, 40, 30), (2, 40, 30), (3, 40, 30)
    ]  # fmt: skip
    assert fixed["info"] == {"year": None}
    assert lines[-1].endswith("3 of 4 images, 5 of 6 objects")
    assert "mended annotation-image (1): 12.0 and '12' made 12, others dropped" in lines
    assert report.totals["image-unreadable"] == 1


def test_text_ids_are_kept_together(folder):
    data = valid()
    for entry in data["images"]:
        entry["id"] = f"page-{entry['id']}"
    for entry in data["annotations"]:
        entry["image_id"] = f"page-{entry['image_id']}"
    path, out = folder / "text.json", folder / "numbers.json"
    path.write_text(json.dumps(data))
    fix_dataset(path, folder, out)
    fixed = json.loads(out.read_text())
    assert {i["id"]: i["file_name"] for i in fixed["images"]} == {1: "a.png", 2: "b.png", 3: "c.png"}
    assert [annotation["image_id"] for annotation in fixed["annotations"]] == [2, 3, 1, 2, 3, 1]


def test_one_file_listed_twice_is_merged_and_one_id_for_two_files_dropped(folder):
    data = valid()
    data["images"].append({"id": 4, "file_name": "./a.png", "width": 40, "height": 30})
    data["annotations"][0]["image_id"] = 4
    data["images"][2]["id"] = 2
    path, out = folder / "twice.json", folder / "once.json"
    path.write_text(json.dumps(data))
    fix_dataset(path, folder, out)
    fixed = json.loads(out.read_text())
    assert [image["file_name"] for image in fixed["images"]] == ["a.png"]
    assert [(a["id"], a["image_id"]) for a in fixed["annotations"]] == [(1, 1), (3, 1), (6, 1)]


def test_byte_order_mark_is_left_out(folder):
    path, out = folder / "mark.json", folder / "plain.json"
    path.write_text(json.dumps(valid()), encoding="utf-8-sig")
    fix_dataset(path, folder, out)
    assert json.loads(out.read_bytes()) == valid()
