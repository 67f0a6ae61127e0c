"""Labels from a small work folder, whose boxes are known."""

import argparse
import dataclasses
import hashlib
import io
import json

import numpy as np
import pypdfium2
import pytest
from pycocotools import mask as coco_mask

from dense_det.data.catalog import register_coco
from dense_det.data.check import check_dataset
from dense_det.data.mapper import read_image
from dense_det.distillation.commands import select
from dense_det.distillation.label_file import Extractor, read_labels, write_labels
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.rule import KEPT, REJECTED, UNSURE, Rule, read_rule
from dense_det.distillation.shard_file import ShardPredictions
from dense_det.distillation.work_folder import InputImage, WorkFolder, page_digest, write_lines


def run_select(root, *options):
    parser = argparse.ArgumentParser()
    select.add_arguments(parser)
    return list(select.main(parser.parse_args([str(root / "work"), "--out", str(root / "pseudo.json"), *options])))


def test_verdicts_by_hand(predictions):
    rule = Rule(np.array([0.8, np.inf], np.float32), ignore_share=0.5, min_votes=0.6)
    found = predictions(1, (0.9, 0, 1), (0.9, 0, 0.5), (0.4, 0, 1), (0.39, 0, 1), (0.99, 1, 1), (0.49, 1, 1))
    # no score is enough for the second class: what may well be one is not background for that
    assert rule.verdicts(found).tolist() == [KEPT, UNSURE, UNSURE, REJECTED, UNSURE, REJECTED]
    with pytest.raises(ValueError, match="ignore_share"):
        Rule(np.zeros(1, np.float32), ignore_share=1.5)


def test_density_writes_the_best_boxes(tmp_path, labelled_work):
    manifest = labelled_work().read_manifest()
    lines = run_select(tmp_path)  # 3 objects on 3 labelled images: the three best of 3 images
    assert lines[-2].endswith("pseudo.json: 2 images, 3 labels, 2 ignore regions")
    assert lines[-1] == "images without a label: 1, dropped"
    coco = json.loads((tmp_path / "pseudo.json").read_text())
    assert [image["id"] for image in coco["images"]] == [1, 2]
    assert coco["categories"] == [{"id": 1, "name": "Table"}, {"id": 2, "name": "Text"}]
    assert coco["annotations"][0] == {
        "id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 5, 8, 10], "area": 80, "iscrowd": 0,
        "score": 0.9, "votes": 1, "spread": 0.1,
    }  # fmt: skip
    assert [(a["image_id"], a["score"], a["iscrowd"]) for a in coco["annotations"]] == [
        (1, 0.9, 0), (1, 0.6, 0), (1, 0.5, 1), (2, 0.8, 0), (2, 0.3, 1),
    ]  # fmt: skip
    assert coco["info"]["pseudo_labels"]["manifest_sha256"] == manifest.sha256
    rule, about = read_rule(tmp_path / "pseudo.json", manifest)
    assert rule.thresholds == pytest.approx([0.6, 0.6]) and about["kept"] == {"Table": 2, "Text": 1}


def test_labels_that_changed_have_no_rule(tmp_path, labelled_work):
    manifest, labels = labelled_work().read_manifest(), tmp_path / "pseudo.json"
    run_select(tmp_path)
    labels.write_text(labels.read_text().replace("0.9", "0.8"))
    with pytest.raises(ValueError, match=r"pseudo\.json was changed since select wrote it"):
        read_rule(labels, manifest)
    labels.unlink()
    with pytest.raises(FileNotFoundError, match=r"pseudo\.json"):
        read_rule(labels, manifest)
    (tmp_path / "pseudo.manifest.json").unlink()
    with pytest.raises(ValueError, match="FileNotFoundError: .*: run select again"):
        read_rule(labels, manifest)


@pytest.mark.parametrize(
    "text, saying",
    [
        ("{", "JSONDecodeError"),
        ("{}", "KeyError: 'images'"),
        ("[]", "TypeError"),
        ('{"images": [{"id": 1}]}', "KeyError: 'file_name'"),
        ('{"images": [{"id": "a", "file_name": "x"}]}', "images: id 'a', expected int"),
        ('{"images": [], "annotations": []}', "KeyError: 'categories'"),
    ],
)
def test_what_is_no_label_file_is_named(tmp_path, text, saying):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(ValueError, match=rf"labels\.json: not the COCO file that select writes \(.*{saying}"):
        read_labels(tmp_path / "labels.json")


def test_options(tmp_path, labelled_work):
    labelled_work()
    run_select(tmp_path, "--per-class", "--empty", "keep", "--min-votes", "0.7")
    coco = json.loads((tmp_path / "pseudo.json").read_text())
    assert len(coco["images"]) == 3
    assert [a["score"] for a in coco["annotations"] if not a["iscrowd"]] == [0.9, 0.5, 0.8]
    assert [a["score"] for a in coco["annotations"] if a["iscrowd"]] == [0.6, 0.3]


def test_the_file_is_for_training(tmp_path, labelled_work):
    from detectron2.data import DatasetCatalog

    labelled_work()
    run_select(tmp_path)
    register_coco("pseudo_for_training", tmp_path / "pseudo.json", tmp_path)
    records = DatasetCatalog.get("pseudo_for_training")
    assert [r["file_name"] for r in records] == [str(tmp_path / "1.jpg"), str(tmp_path / "2.jpg")]
    assert [a["category_id"] for a in records[0]["annotations"]] == [0, 0, 1]
    assert all(r["pseudo"] for r in records)


def test_a_class_whose_density_is_off_among_others_is_told(tmp_path, labelled_work):
    """At .55 two Tables and one Text are kept, of 1 and 3 that people labelled on as many images."""
    work = labelled_work()
    labelled = {"json_file": "", "images": 3, "instances": 4, "per_class": {"Table": 1, "Text": 3}}
    work.write_plan(dataclasses.replace(work.read_plan(), labelled=labelled))
    words = ("--rule", "fixed", "--value", "0.55")
    (note,) = (line for line in run_select(tmp_path, *words) if line.startswith("note"))
    assert note.startswith("note: class 'Text': 0.333 kept boxes an image, the labelled set has 1: more than a factor")
    assert run_select(tmp_path, *words, "--per-class", "--force")[4].startswith("against it: class 'Text': 0.333")


def test_refusals(tmp_path, labelled_work):
    work = labelled_work()
    with pytest.raises(ValueError, match="nothing is written"):
        run_select(tmp_path, "--rule", "fixed", "--value", "0.85")  # no Text, a third of the density
    assert not (tmp_path / "pseudo.json").exists()
    assert run_select(tmp_path, "--rule", "fixed", "--value", "0.85", "--force")[-1].endswith("2, dropped")
    with pytest.raises(ValueError, match="needs --value"):
        run_select(tmp_path, "--rule", "precision")
    for value in ("55", "nan", "-3", "0"):
        with pytest.raises(ValueError, match=f"more than 0 and at most 1, got {value}"):
            run_select(tmp_path, "--rule", "fixed", f"--value={value}")
    with pytest.raises(ValueError, match="needs validation images"):
        run_select(tmp_path, "--rule", "f1")
    work.images.predictions(1).unlink()
    with pytest.raises(ValueError, match="shard 1 of 2 is not finished"):
        run_select(tmp_path)


def test_a_class_that_the_labelled_set_does_not_know(tmp_path, labelled_work):
    work = labelled_work()
    plan = work.read_plan()
    work.write_plan(dataclasses.replace(plan, labelled=plan.labelled | {"per_class": {"table": 2, "Text": 1}}))
    parser = argparse.ArgumentParser()
    select.add_arguments(parser)
    told = []
    with pytest.raises(ValueError, match="nothing is written"):
        for line in select.main(parser.parse_args([str(tmp_path / "work"), "--out", str(tmp_path / "pseudo.json")])):
            told.append(line)
    against = "against it: the labelled set has no class 'Table', only table, Text: its labels would be another class"
    assert against in told
    lacking = "against it: the teacher has no class 'table', which the labelled set has: training on both needs the"
    assert any(line.startswith(lacking) for line in told)
    work.write_plan(dataclasses.replace(plan, labelled=plan.labelled | {"per_class": {"Table": 0, "Text": 0}}))
    with pytest.raises(ValueError, match="nothing is written"):
        run_select(tmp_path)


def test_what_is_no_file_must_be_extracted(tmp_path, labelled_work):
    labelled_work(member="page.jpg")
    with pytest.raises(ValueError, match="--extract"):
        run_select(tmp_path)


def test_members_of_tar_files_are_extracted(tmp_path, write_tar, jpeg):
    content = jpeg(3)
    write_tar(tmp_path / "a.tar", {"page.jpg": content})
    digest = hashlib.sha256(content).hexdigest()
    image = InputImage(7, str(tmp_path / "a.tar"), "page.jpg", None, digest, 60, 40)
    path = Extractor(tmp_path / "pages")(image)
    assert path == str(tmp_path / "pages" / f"000000007-{digest[:12]}-60x40.png")
    assert (read_image(path) == read_image(io.BytesIO(content))).all()


def write_pdf(path, *sizes):
    """A PDF of empty white pages of (width, height) points, each with a black square at its lower left."""
    document = pypdfium2.PdfDocument.new()
    for width, height in sizes:
        page = document.new_page(width, height)
        square = pypdfium2.raw.FPDFPageObj_CreateNewRect(0, 0, 24, 24)
        pypdfium2.raw.FPDFPageObj_SetFillColor(square, 0, 0, 0, 255)
        pypdfium2.raw.FPDFPath_SetDrawMode(square, pypdfium2.raw.FPDF_FILLMODE_ALTERNATE, False)
        pypdfium2.raw.FPDFPage_InsertObject(page, square)
        page.gen_content()
    document.save(str(path))
    document.close()


def test_pages_of_pdfs_are_extracted(tmp_path, predictions):
    write_pdf(tmp_path / "a.pdf", (144, 72), (72, 144))
    write_pdf(tmp_path / "b.pdf", (72, 72))
    work = WorkFolder(tmp_path / "work")
    make_plan(work, PlanSettings((str(tmp_path / "a.pdf"), str(tmp_path / "b.pdf")), shard_size=2))
    work.settle_manifest(Manifest(["Table"], [], [], {}, 0.05, 100))
    for shard, ids in enumerate(((1, 2), (3,))):
        rows = {1: [(0.9, 0, 1)], 2: [], 3: [(0.8, 0, 1)]}
        ShardPredictions.join([predictions(k, *rows[k]) for k in ids]).save(work.images.predictions(shard))
        write_lines(work.images.failures(shard), [])
    options = ("--rule", "fixed", "--value", "0.5")
    with pytest.raises(ValueError, match="a.pdf, page 1 is no file .* --extract"):
        run_select(tmp_path, *options)
    run_select(tmp_path, *options, "--empty", "keep", "--extract", str(tmp_path / "pages"))
    coco = json.loads((tmp_path / "pseudo.json").read_text())
    assert [(i["id"], i["width"], i["height"]) for i in coco["images"]] == [(1, 300, 150), (2, 150, 300), (3, 150, 150)]
    for image in coco["images"]:
        pixels = read_image(image["file_name"])
        assert pixels.shape == (image["height"], image["width"], 3)
        assert (pixels[-48:-2, 2:48] == 0).all() and (pixels[:-52] == 255).all()  # 24 points at 150 dpi are 50 pixels
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "pages").iterdir()}
    (tmp_path / "a.pdf").unlink()  # what was extracted before is not asked for again
    run_select(tmp_path, *options, "--empty", "keep", "--extract", str(tmp_path / "pages"))
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "pages").iterdir()} and len(before) == 3
    with pytest.raises(ValueError, match="a.pdf, page 1 was labelled, but cannot be extracted: no such file"):
        run_select(tmp_path, *options, "--extract", str(tmp_path / "elsewhere"))


def test_a_page_in_another_resolution_is_another_file(tmp_path):
    write_pdf(tmp_path / "a.pdf", (144, 72))
    digest = page_digest(hashlib.sha256((tmp_path / "a.pdf").read_bytes()).hexdigest(), 0)
    images = [InputImage(1, str(tmp_path / "a.pdf"), None, 0, digest, 2 * side, side) for side in (150, 300)]
    shapes = [read_image(Extractor(tmp_path / "pages")(image)).shape for image in images]
    assert shapes == [(150, 300, 3), (300, 600, 3)]


def test_shards_with_gaps_by_hand(tmp_path, predictions):
    """Image 2 could not be read, image 3 has only an unsure box, image 4 lies in the next shard."""
    inputs = {n: InputImage(n, f"{n}.jpg", None, None, "", 20 if n == 1 else 60, 12) for n in (1, 2, 3, 4)}
    first = ShardPredictions.join([predictions(1, (0.9, 1, 1), (0.7, 0, 1), (0.1, 0, 1)), predictions(3, (0.3, 0, 1))])
    second = ShardPredictions.join([predictions(4, (0.61234567, 0, 1))])
    rule = Rule(np.array([0.5, 0.5], np.float32))

    def write(keep_empty):
        shards = [(inputs, first), (inputs, second)]
        counts = write_labels(tmp_path / "a.json", ["a", "b"], shards, rule, {}, keep_empty)
        coco = json.loads((tmp_path / "a.json").read_text())
        return counts, [i["id"] for i in coco["images"]], [(a["id"], a["image_id"]) for a in coco["annotations"]], coco

    counts, images, annotations, coco = write(keep_empty=False)
    assert (counts.images, counts.empty, counts.kept.tolist(), counts.unsure.tolist()) == (2, 1, [2, 1], [0, 0])
    assert images == [1, 4] and annotations == [(1, 1), (2, 1), (3, 4)]
    boxes = [annotation["bbox"] for annotation in coco["annotations"]]
    assert boxes == [[0, 5, 8, 7], [10, 5, 8, 7], [0, 5, 8, 7]]  # 12 pixels high: cut
    assert coco["annotations"][2]["score"] == 0.61235 and coco["annotations"][2]["area"] == 56
    counts, images, annotations, _ = write(keep_empty=True)
    assert images == [1, 3, 4] and annotations == [(1, 1), (2, 1), (3, 3), (4, 4)] and counts.unsure.tolist() == [1, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_masks_are_written_as_rle(tmp_path, predictions):
    mask = np.zeros((40, 60), np.uint8, order="F")
    mask[5:15, 0:8] = np.tri(10, 8)
    found = dataclasses.replace(predictions(1, (0.9, 0, 1)), masks=(coco_mask.encode(mask)["counts"],))
    shards = [({1: InputImage(1, "a.jpg", None, None, "", 60, 40)}, ShardPredictions.join([found]))]
    write_labels(tmp_path / "a.json", ["Table"], shards, Rule(np.array([0.5], np.float32)), {}, False)
    (row,) = json.loads((tmp_path / "a.json").read_text())["annotations"]
    assert (coco_mask.decode(row["segmentation"]) == mask).all()
    # the mask's, of 1 + 2 + ... + 8 + 8 + 8 pixels, not the box's
    assert row["area"] == 52 and row["bbox"] == [0, 5, 8, 10]


def test_a_mask_without_a_pixel_is_no_mask(tmp_path, predictions, jpeg):
    """All probabilities below a half: a box alone is what training takes, and checks, without an error."""
    nothing = coco_mask.encode(np.zeros((40, 60), np.uint8, order="F"))["counts"]
    found = dataclasses.replace(predictions(1, (0.9, 0, 1)), masks=(nothing,))
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    shards = [({1: InputImage(1, "a.jpg", None, None, "", 60, 40)}, ShardPredictions.join([found]))]
    rule = Rule(np.array([0.5], np.float32))
    write_labels(tmp_path / "a.json", ["Table"], shards, rule, {}, False, fields_of_mask=lambda rle, box: {"quad": 1})
    (row,) = json.loads((tmp_path / "a.json").read_text())["annotations"]
    assert "segmentation" not in row and row["area"] == 80 and row["quad"] == 1
    write_labels(tmp_path / "a.json", ["Table"], shards, rule, {}, False)
    assert not check_dataset(tmp_path / "a.json", tmp_path).errors


def test_rules_from_labelled_validation_images(tmp_path, labelled_work, caplog):
    work = labelled_work()
    first = next(iter(ShardPredictions.load(work.images.predictions(0))))
    ShardPredictions.join([first]).save(work.validation.predictions(0))
    write_lines(work.validation.failures(0), [])
    box = {"image_id": 1, "category_id": 3, "bbox": [0, 5, 8, 10]}  # the first Table is right, the second is not
    text = {"image_id": 1, "category_id": 8, "bbox": [20, 5, 8, 10]}
    truth = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 60, "height": 40}],
        "categories": [{"id": 8, "name": "Text"}, {"id": 3, "name": "Table"}],
        "annotations": [{"id": 1, **box}, {"id": 2, **text}],
    }
    work.truth_path.write_text(json.dumps(truth))
    work.write_plan(dataclasses.replace(work.read_plan(), validation={"num_images": 1}))
    lines = run_select(tmp_path, "--rule", "precision", "--value", "0.9", "--force")
    assert lines[1].split() == ["Table", "0.9000", "0.33", "0.33", "1.000", "1.000", "0.100"]
    assert lines[2].split() == ["Text", "0.5000", "0.67", "0.67", "1.000", "1.000", "0.500"]
    _, about = read_rule(tmp_path / "pseudo.json", work.read_manifest())
    assert about["validation"]["recall"] == {"Table": 1, "Text": 1}
    assert not caplog.records
    truth["images"].append({"id": 2, "file_name": "2.jpg", "width": 60, "height": 40})
    work.truth_path.write_text(json.dumps(truth))
    run_select(tmp_path, "--rule", "precision", "--value", "0.9", "--force")
    assert "1 of 2 validation images have no answer" in caplog.text
    # at 0.5 the second Table is a label, too, unless its votes (0.5) are too few
    for options, precision in ((), "0.500"), (("--min-votes", "0.6"), "1.000"):
        lines = run_select(tmp_path, "--rule", "fixed", "--value", "0.5", "--force", *options)
        assert lines[1].split()[4:6] == [precision, "1.000"]


def test_density_counts_boxes_with_enough_votes(tmp_path, labelled_work):
    labelled_work()
    # three of .9 .8 .6 .5 .3, and of those without the .6 that has half of the votes
    for options, threshold in ((), "0.6000"), (("--min-votes", "0.6"), "0.5000"):
        assert run_select(tmp_path, *options, "--force")[1].split()[1] == threshold


def test_a_truth_that_is_cut_short_is_named(tmp_path, labelled_work):
    """As a copy of a work folder onto a full disk leaves it."""
    work = labelled_work()
    work.write_plan(dataclasses.replace(work.read_plan(), validation={"num_images": 1}))
    work.truth_path.parent.mkdir()
    work.truth_path.write_text('{"images": [')
    with pytest.raises(ValueError, match="truth.json: no COCO file"):
        run_select(tmp_path)
