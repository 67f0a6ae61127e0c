"""The plan: what goes in, what stays out and why, and that it is there whole or not at all."""

import hashlib
import json
import os
import struct
import tarfile
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import Event

import pypdfium2
import pytest
from PIL import Image

from dense_det.distillation import inspections, planning
from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.plan_text import as_text
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.sources import Expansion
from dense_det.distillation.work_folder import WorkFolder, page_digest, read_lines


@pytest.fixture
def work(tmp_path):
    return WorkFolder(tmp_path / "work")


def plan(work, *sources, **settings):
    return make_plan(work, PlanSettings(tuple(map(str, sources)), **settings))


def inputs(work, num_shards):
    return [image for shard in range(num_shards) for image in work.images.read_inputs(shard)]


def test_a_folder(work, photos, jpeg):
    made = plan(work, photos, shard_size=2)
    assert (made.num_images, made.num_shards) == (5, 3) and made.counts["other_files"] == 1
    images = inputs(work, 3)
    assert [os.path.relpath(i.file_name, photos) for i in images] == [
        "a.jpg",
        "b.jpg",
        "c.JPG",
        "deep/d.jpeg",
        "deep/e.jpg",
    ]
    assert [i.id for i in images] == [1, 2, 3, 4, 5]
    assert [(i.width, i.height) for i in images[:2]] == [(60, 40), (40, 60)], "EXIF turns the second"
    assert images[0].sha256 == hashlib.sha256(jpeg(0)).hexdigest()
    assert work.read_plan() == made
    names = [".inspected.db", ".plan.lock", "failures.jsonl", "inputs", "plan.json", "rejected.jsonl"]
    assert sorted(path.name for path in work.root.iterdir()) == names


def test_exact_duplicates_and_labelled_images_are_left_out(work, photos, coco, jpeg):
    (photos / "z.jpg").write_bytes(jpeg(0))
    made = plan(
        work, photos, photos,
        labelled=CocoFiles(*coco("train", 1, 100)),
        validation=CocoFiles(*coco("val", 2, 101)),
        exclude=(CocoFiles(*coco("test", 3)),),
    )  # fmt: skip
    assert [os.path.basename(i.file_name) for i in inputs(work, 1)] == ["a.jpg", "b.jpg"]
    kinds = Counter(row.kind for row in work.read_rejected())
    assert kinds == {"labelled": 6, "duplicate": 4}
    assert made.labelled["per_class"] == {"Table": 2, "Text": 0}
    assert (made.labelled["images"], made.labelled["instances"]) == (2, 2)
    assert made.validation["num_images"] == 2
    assert [i.id for i in work.validation.read_inputs(0)] == [5, 6], "COCO's own ids"
    assert json.loads(work.truth_path.read_text())["images"][0]["file_name"] == "2.jpg"
    assert "1.00 objects an image" in as_text(made) and "2 h 00 min of one worker" in as_text(made, 1800)


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return header + struct.pack(">I", 9) + b"IDAT"


def frames(format: str) -> bytes:
    buffer = BytesIO()
    images = [Image.new("RGB", (20, 10), color) for color in ("red", "blue")]
    images[0].save(buffer, format, save_all=True, append_images=images[1:])
    return buffer.getvalue()


def test_bad_files_have_their_reason(work, tmp_path, jpeg):
    folder = tmp_path / "bad"
    folder.mkdir()
    files = {
        "animated.gif": (frames("GIF"), "2 frames: animated"),
        "bomb.png": (png_header(50000, 50000), "decompression bomb"),
        "cut.jpg": (jpeg(1, (600, 400))[:900], "truncated"),
        "empty.jpg": (b"", "0 bytes"),
        "large.jpg": (jpeg(2, (1100, 1000)), "1100x1000 pixels; at most 1000000"),
        "pages.tiff": (frames("TIFF"), "2 pages"),
        "text.png": (b"hello", "not an image"),
        "vector.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "EPS"),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    (folder / "fifo.jpg").symlink_to("/dev/null")
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "cmyk.jpg").write_bytes(jpeg(3, mode="CMYK"))
    made = plan(work, folder, max_pixels=1_000_000)
    reasons = {os.path.basename(row.file_name): row.reason for row in work.read_rejected()}
    for name, (_, reason) in files.items():
        assert reason in reasons.pop(name), name
    assert reasons == {"fifo.jpg": "not a file", "gone.jpg": "no such file"}
    assert [os.path.basename(i.file_name) for i in inputs(work, 1)] == ["cmyk.jpg"]
    assert made.counts["bad"] == made.num_bad == len(files) + 2
    failures = {os.path.basename(row["file_name"]): row for row in read_lines(work.failures_path)}
    assert failures.keys() == {*files, "fifo.jpg", "gone.jpg"} and failures["empty.jpg"]["reason"] == "0 bytes"
    assert {row["id"] for row in failures.values()} == {None}


def test_lists_globs_and_coco(work, photos, coco, tmp_path):
    (tmp_path / "list.txt").write_text(f"# three\n{photos}/a.jpg\n\nphotos/b.jpg\nphotos/missing.jpg\n")
    json_file, folder = coco("more", 50, 51)
    made = plan(work, tmp_path / "list.txt", f"{photos}/**/*.jp*g", json_file, expansion=Expansion(None))
    assert made.num_images == 4, "COCO's images are looked for beside their file"
    assert made.counts["bad"] == 3
    other = WorkFolder(tmp_path / "other")
    assert plan(other, json_file, expansion=Expansion(folder)).num_images == 2


@pytest.mark.parametrize("suffix, mode", [(".tar", "w"), (".tgz", "w:gz")])
def test_tar_members(work, tmp_path, suffix, mode, jpeg, write_tar):
    path = tmp_path / f"scans{suffix}"
    write_tar(
        path, {"a.jpg": jpeg(1), "x/b.jpg": jpeg(2, orientation=8), "c.jpg": jpeg(1), "d.png": b"", "e.txt": b""}, mode
    )
    made = plan(work, path)
    rows = [(i.file_name, i.member, i.width) for i in inputs(work, 1)]
    assert rows == [(str(path), "a.jpg", 60), (str(path), "x/b.jpg", 40)]
    assert made.counts == {"bad": 1, "skipped": 0, "duplicate": 1, "labelled": 0, "other_files": 1}


def test_links_and_skipped_folders_are_left_out_but_not_bad(work, tmp_path, photos):
    (photos / "round").symlink_to(photos, target_is_directory=True)
    with tarfile.open(photos / "links.tar", "w") as archive:
        for name, target in (("one.jpg", "smith/passport.jpg"), ("two.jpg", "scan.bin")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    (tmp_path / "list.txt").write_text(f"{photos}/round/a.jpg\n{photos}/../hidden/x.jpg\n")
    made = plan(work, photos, tmp_path / "list.txt", expansion=Expansion(skip=(str(photos.parent / "hidden"),)))
    skipped = [row.reason for row in work.read_rejected() if row.kind == "skipped"]
    assert made.counts["skipped"] == len(skipped) == 4 and made.num_bad == 0
    assert [row["reason"] for row in read_lines(work.failures_path)] == []


@pytest.mark.parametrize("place", ["inputs/scan.jpg", "validation/val.json", "validation/inputs/notes.txt"])
def test_what_is_not_a_plan_s_stays(work, photos, place):
    foreign = work.root / place
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    with pytest.raises(ValueError, match=f"{place} is not of a plan, whose place .* is: give another folder"):
        plan(work, photos)
    assert foreign.read_text() == "mine" and not work.plan_path.exists()
    foreign.unlink()
    (work.root / "inputs").mkdir(exist_ok=True)
    (work.root / "inputs" / "shard-000000.jsonl").write_text("of an attempt that was killed")
    assert plan(work, photos).num_images == 5


def test_a_list_of_failures_that_is_missing_is_written_anew(work, photos):
    (photos / "bad.jpg").write_bytes(b"")
    plan(work, photos)
    work.failures_path.unlink()
    plan(work, photos)
    assert [row["reason"] for row in read_lines(work.failures_path)] == ["0 bytes"]


def test_a_damaged_tar_keeps_what_came_before(work, tmp_path, jpeg, write_tar):
    path = tmp_path / "scans.tar"
    write_tar(path, {"a.jpg": jpeg(1, (300, 300)), "b.jpg": jpeg(2, (900, 900))})
    path.write_bytes(path.read_bytes()[:8192])
    assert plan(work, path).num_images == 1
    assert "damaged tar" in next(work.read_rejected()).reason


def test_pdf_pages(work, tmp_path):
    document = pypdfium2.PdfDocument.new()
    document.new_page(144, 72)
    document.new_page(7200, 7200)
    document.save(str(tmp_path / "a.pdf"))
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 no")
    made = plan(work, tmp_path / "a.pdf", tmp_path / "b.pdf", expansion=Expansion(pdf_dpi=100), max_pixels=1_000_000)
    (page,) = inputs(work, 1)
    assert (page.page, page.width, page.height) == (0, 200, 100)
    assert page.sha256 == page_digest(hashlib.sha256((tmp_path / "a.pdf").read_bytes()).hexdigest(), 0)
    reasons = [row.reason for row in work.read_rejected()]
    assert made.counts["bad"] == 2 and "10000x10000" in reasons[0] and "damaged" in reasons[1]


def test_a_work_folder_among_the_images(photos, jpeg):
    work = WorkFolder(photos / "work")
    for _ in range(2):
        assert plan(work, photos, expansion=Expansion(skip=(str(work.root),))).num_images == 5
        (work.root / "report.jpg").write_bytes(jpeg(40))


def test_planning_the_same_again_changes_nothing(work, photos, jpeg):
    made = plan(work, photos)
    times = {path: path.stat().st_mtime_ns for path in work.root.rglob("*") if path.is_file()}
    assert plan(work, photos) == made
    assert times == {path: path.stat().st_mtime_ns for path in work.root.rglob("*") if path.is_file()}
    (photos / "new.jpg").write_bytes(jpeg(77))
    with pytest.raises(ValueError, match="num_images: 5 -> 6"):
        plan(work, photos)
    with pytest.raises(ValueError, match="shard_size: 256 -> 2"):
        (photos / "new.jpg").unlink()
        plan(work, photos, shard_size=2)
    assert work.read_plan() == made


def test_validation_images_get_other_annotations_but_no_other_ids(work, photos, coco, caplog):
    files = CocoFiles(*coco("val", 1, 2))
    made = plan(work, photos, validation=files)
    tree = json.loads(Path(files.json_file).read_text())
    tree["annotations"][0]["bbox"] = [5, 5, 10, 10]
    tree["categories"].append({"id": 9, "name": "Picture"})
    Path(files.json_file).write_text(json.dumps(tree))
    assert plan(work, photos, validation=files) == made
    assert json.loads(work.truth_path.read_text()) == tree
    assert "other annotations than before" in caplog.text
    work.truth_path.unlink()
    assert plan(work, photos, validation=files) == made and json.loads(work.truth_path.read_text()) == tree
    tree["images"][0]["id"] += 10
    tree["annotations"][0]["image_id"] += 10
    Path(files.json_file).write_text(json.dumps(tree))
    with pytest.raises(ValueError, match="has a plan already, of validation images with other files or ids"):
        plan(work, photos, validation=files)
    assert json.loads(work.truth_path.read_text()) != tree


def test_what_is_no_image_changes_no_plan(work, photos):
    made = plan(work, photos)
    (photos / "more.md").write_text("no image")
    assert plan(work, photos) == made == work.read_plan()


def test_two_plans_at_once(work, photos, monkeypatch):
    begun, go_on, write = Event(), Event(), WorkFolder.write_plan

    def write_late(folder, made):
        begun.set()
        go_on.wait(20)
        write(folder, made)

    monkeypatch.setattr(WorkFolder, "write_plan", write_late)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(plan, work, photos)
        assert begun.wait(20)
        second = pool.submit(plan, work, photos / "deep")
        with pytest.raises(TimeoutError):
            second.result(1)
        go_on.set()
        assert first.result().num_images == len(inputs(work, 1)) == 5
        with pytest.raises(ValueError, match="num_images: 5 -> 2"):
            second.result()


@pytest.fixture
def looked_at(monkeypatch):
    """Names of the files that were read."""
    names, inspect = [], inspections.inspect

    def note(candidate, *words):
        names.append(Path(candidate.file_name).name)
        return inspect(candidate, *words)

    monkeypatch.setattr(inspections, "inspect", note)
    return names


def test_a_plan_that_was_stopped_goes_on(work, photos, monkeypatch, looked_at):
    """Ctrl-C at the last file; then one is changed, and one is new."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        add = planning.InputWriter.add

        def stop_at_the_last(writer, image):
            if image.file_name.endswith("e.jpg"):
                raise KeyboardInterrupt
            add(writer, image)

        patch.setattr(planning.InputWriter, "add", stop_at_the_last)
        plan(work, photos)
    assert sorted(looked_at) == ["a.jpg", "b.jpg", "c.JPG", "d.jpeg", "e.jpg"]
    looked_at.clear()
    (photos / "a.jpg").write_bytes((photos / "a.jpg").read_bytes() + b" ")
    (photos / "f.jpg").write_bytes((photos / "a.jpg").read_bytes() + b"  ")
    first = plan(work, photos)
    assert sorted(looked_at) == ["a.jpg", "f.jpg"] and first.num_images == 6
    looked_at.clear()
    assert plan(work, photos) == first and looked_at == []
    anew = WorkFolder(work.root.parent / "anew")
    assert plan(anew, photos).inputs_sha256 == first.inputs_sha256 and len(looked_at) == 6
    plan(work, photos, decode=True)
    assert len(looked_at) == 12, "another way to look"


def test_a_plan_cut_short_is_made_anew(work, photos, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "write_plan", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            plan(work, photos, shard_size=1)
    with pytest.raises(ValueError, match="no finished plan"):
        work.read_plan()
    abandoned = work.root / f"{planning._draft_prefix()}999999999-x"
    abandoned.mkdir()
    plan(work, photos)
    assert not work.images.inputs(1).exists() and not abandoned.exists()


@pytest.mark.parametrize("other", ["node-gpu", "node-999999999"])
def test_the_draft_of_another_machine_stays(work, photos, monkeypatch, other):
    """Whose name begins with this one's: its processes cannot be looked up here."""
    names = iter([other, "node", "node"])
    monkeypatch.setattr(planning.socket, "gethostname", lambda: next(names))
    theirs = work.root / f"{planning._draft_prefix()}17-abc"
    theirs.mkdir(parents=True)
    make_plan(work, PlanSettings((str(photos),)))
    assert theirs.exists()


def test_validation_images_that_the_teacher_learned_from_are_told(work, photos, coco, caplog):
    files = CocoFiles(*coco("both", 1, 2))
    plan(work, photos, labelled=files, validation=files)
    assert "2 of 2 validation images stand in the labelled file, too" in caplog.text


def test_predictions_are_not_taken_for_those_of_another_list(work, photos, jpeg):
    make_plan(work, PlanSettings((str(photos),)))
    work.images.predictions(0).parent.mkdir()
    work.images.predictions(0).touch()
    work.plan_path.unlink()
    with pytest.raises(ValueError, match="has no plan, but predictions of one that is gone"):
        make_plan(work, PlanSettings((str(photos),)))
    assert work.images.is_finished(0) and not work.plan_path.exists()


def test_what_cannot_be_planned(work, photos, coco, tmp_path):
    with pytest.raises(ValueError, match="nothing at .*nowhere"):
        plan(work, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="nothing to label"):
        plan(work, tmp_path / "empty")
    (tmp_path / "list.txt").write_text("".join(f"{n}.jpg\n" for n in range(4)))
    with pytest.raises(ValueError, match=r"4 bad\n  /.*/0.jpg: no such file\n.*\n  /.*/2.jpg: no such file$"):
        plan(work, tmp_path / "list.txt")
    json_file, folder = coco("val", 1)
    os.unlink(f"{folder}/1.jpg")
    with pytest.raises(ValueError, match="validation image .*no such file"):
        plan(work, photos, validation=CocoFiles(json_file, folder))
    json_file, folder = coco("odd", 2)
    Path(json_file).write_text(Path(json_file).read_text().replace('"id": 5', '"id": "five"'))
    with pytest.raises(ValueError, match="whole numbers of 64 bits, as COCO's are, got 'five'"):
        plan(work, photos, validation=CocoFiles(json_file, folder))
    json_file, folder = coco("huge", 2)
    text = Path(json_file).read_text()
    Path(json_file).write_text(text.replace('"id": 5', f'"id": {2**64}'))
    with pytest.raises(ValueError, match=f"of 64 bits, as COCO's are, got {2**64}"):
        plan(work, photos, validation=CocoFiles(json_file, folder))
    with pytest.raises(ValueError, match="no COCO file"):
        plan(work, photos, labelled=CocoFiles(str(photos / "notes.md"), folder))
    assert list(work.root.iterdir()) == []


@pytest.mark.parametrize("role", ["labelled", "validation"])
def test_coco_files_without_names(work, photos, coco, role):
    json_file, folder = coco("odd", 1)
    text = Path(json_file).read_text()
    for name in ("7", "null"):
        Path(json_file).write_text(text.replace('"1.jpg"', name))
        with pytest.raises(ValueError, match=r"odd.json: image 5 has file_name (7|None), expected a text"):
            plan(work, photos, **{role: CocoFiles(json_file, folder)})
