"""The work folder: what is written is read again, and what does not fit is named."""

import errno
import json
from dataclasses import replace

import pytest

from dense_det.distillation.input_writer import InputWriter
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.work_folder import (
    Failure,
    InputImage,
    Plan,
    Rejected,
    Shards,
    WorkFolder,
    read_lines,
    write_lines,
)

PLAN = Plan(2, 5, 3, ["scans/"], {"bad": 1, "duplicate": 2}, "ab", None, {"num_images": 3})
MANIFEST = Manifest(
    classes=["Table"],
    teachers=[{"kind": "detectron2", "config_sha256": "c", "weights_sha256": "w", "name": "teacher"}],
    views=[{"short_edge": 400, "flip": False}],
    fusion={"kind": "wbf", "iou": 0.55},
    floor=0.05,
    detections_per_image=100,
)


def image(number: int, name: str = "a.jpg") -> InputImage:
    return InputImage(number, name, None, None, "00" * 32, 200, 100)


def test_a_name_that_is_no_utf8_survives(tmp_path):
    name = b"scan-\xff.jpg".decode(errors="surrogateescape")
    write_lines(tmp_path / "a.jsonl", [image(1, name)])
    writer = InputWriter(Shards(tmp_path), 1)
    writer.add(image(1, name))
    writer.close()
    assert next(Shards(tmp_path).read_inputs(0)).file_name == name


def test_plan(tmp_path):
    work = WorkFolder(tmp_path)
    with pytest.raises(ValueError, match="no finished plan"):
        work.read_plan()
    work.write_plan(PLAN)
    assert work.read_plan() == PLAN
    assert PLAN.num_validation_shards == 2 and replace(PLAN, validation=None).num_validation_shards == 0
    work.plan_path.write_text(json.dumps({"version": 2}))
    with pytest.raises(ValueError, match="version 2, this program reads 1"):
        work.read_plan()
    work.plan_path.write_text("[]")
    with pytest.raises(ValueError, match="plan.json: version None, this program reads 1"):
        work.read_plan()
    work.plan_path.write_text('{"version": 1}')
    with pytest.raises(ValueError, match="plan.json: not as this program wrote it: .* missing .*'shard_size'"):
        work.read_plan()


def test_the_first_run_settles_the_manifest(tmp_path):
    work = WorkFolder(tmp_path)
    with pytest.raises(ValueError, match="nothing was labelled yet"):
        work.read_manifest()
    work.settle_manifest(MANIFEST)
    work.settle_manifest(MANIFEST)
    assert work.read_manifest() == MANIFEST
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]
    with pytest.raises(ValueError, match=r"floor: 0.05 -> 0.1") as error:
        work.settle_manifest(replace(MANIFEST, floor=0.1))
    assert "classes" not in str(error.value)
    assert work.read_manifest() == MANIFEST


def test_a_manifest_of_an_earlier_program(tmp_path):
    (tmp_path / "manifest.json").write_text('{"version": 1, "classes": []}')
    with pytest.raises(ValueError, match="version 1, this program reads 2: plan a new folder, or go on with"):
        WorkFolder(tmp_path).read_manifest()


def test_finished_shards(tmp_path):
    shards = WorkFolder(tmp_path).images
    assert shards.finished() == set()
    shards.predictions(0).parent.mkdir()
    for name in ("shard-000002.npz", "shard-000010.npz", ".shard-000003.npz.x.tmp", "shard-copy.npz"):
        (tmp_path / "predictions" / name).touch()
    assert shards.finished() == {2, 10}


def test_a_manifest_changed_by_hand(tmp_path):
    work = WorkFolder(tmp_path)
    work.settle_manifest(MANIFEST)
    work.manifest_path.write_text(work.manifest_path.read_text().replace("Table", "Chair"))
    with pytest.raises(ValueError, match="changed by hand"):
        work.read_manifest()


def test_failures_of_finished_shards_are_joined(tmp_path):
    work = WorkFolder(tmp_path)
    failures = [Failure(n, "a.jpg", None, None, "0 bytes") for n in range(3)]
    for shard, failure in enumerate(failures):
        write_lines(work.images.failures(shard), [failure])
    for shard in (0, 2):
        work.images.predictions(shard).parent.mkdir(exist_ok=True)
        work.images.predictions(shard).write_bytes(b"")
    rejected = [Rejected("b.jpg", None, None, kind, kind) for kind in ("bad", "duplicate", "labelled")]
    write_lines(work.rejected_path, rejected)
    assert work.join_failures(PLAN) == 2
    rows = [(row["file_name"], row["id"], row["reason"]) for row in read_lines(work.failures_path)]
    assert rows == [("a.jpg", 0, "0 bytes"), ("a.jpg", 2, "0 bytes"), ("b.jpg", None, "bad")]
    write_lines(work.validation.failures(1), [Failure(0, "v.jpg", None, None, "no such file")])
    work.validation.predictions(1).parent.mkdir(parents=True)
    work.validation.predictions(1).write_bytes(b"")
    assert work.join_failures(PLAN) == 2, "of the images that are to be labelled"
    rows = [(row["file_name"], row["validation"]) for row in read_lines(work.failures_path)]
    assert rows == [("a.jpg", False), ("a.jpg", False), ("v.jpg", True), ("b.jpg", False)]
    work.rejected_path.unlink()
    assert work.join_failures(PLAN) == 2 and len(list(work.read_failures(PLAN))) == 3


def test_failures_in_a_folder_of_somebody_else_are_counted(tmp_path, monkeypatch):
    work = WorkFolder(tmp_path)
    write_lines(work.images.failures(0), [Failure(0, "a.jpg", None, None, "0 bytes")])
    work.images.predictions(0).parent.mkdir()
    work.images.predictions(0).write_bytes(b"")

    def refuse(number):
        def write(path, rows):
            raise OSError(number, "no")

        return write

    monkeypatch.setattr("dense_det.distillation.work_folder.write_lines", refuse(errno.EROFS))
    assert work.join_failures(PLAN) == 1
    monkeypatch.setattr("dense_det.distillation.work_folder.write_lines", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="no"):
        work.join_failures(PLAN)


def test_rejected(tmp_path):
    work = WorkFolder(tmp_path)
    rows = [Rejected("a.tar", "b.jpg", None, "duplicate", "same bytes as image 1")]
    write_lines(work.rejected_path, rows)
    assert list(work.read_rejected()) == rows
    work.rejected_path.write_text("{}\n{\n")
    with pytest.raises(ValueError, match="line 2"):
        list(read_lines(work.rejected_path))
