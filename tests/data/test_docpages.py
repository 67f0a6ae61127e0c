"""Building the set from hand-made PDFs and packages; and the committed frozen list."""

import io
import json
import re
import tarfile
from pathlib import Path

import cv2
import pytest

from dense_det.data import docpages, docpages_work
from dense_det.data.docpages import prepare_docpages
from dense_det.data.docpages_coco import EMPTY_SHARE, PageEntry, choose_pages, coco_json
from dense_det.data.docpages_sources import Source, folder_sources
from dense_det.data.docpages_work import LabelledPage
from dense_det.data.frozen_list import SPLITS, FrozenPdf, read_frozen_list, write_frozen_list
from dense_det.data.pdf.document import sha256_of

FROZEN = Path(__file__).parents[2] / "datasets" / "docpages.json"
IMAGE = "q 120 0 0 90 200 500 cm /Im1 Do Q\n"


@pytest.fixture
def folder(tmp_path, write_pdf, prose):
    """Six documents of two pages: prose, and prose with a picture of 120 x 90 points."""
    root = tmp_path / "pdfs"
    (root / "deep").mkdir(parents=True)
    for number in range(6):
        path = root / ("deep" if number % 2 else ".") / f"doc{number}.pdf"
        write_pdf(path, [prose(72, 700 - number, 5), prose(72, 700 - number, 5) + IMAGE])
    return root


def load(out, split):
    return json.loads((out / f"{split}.json").read_text())


def test_boxes_are_in_pixels_of_the_images_and_splits_are_by_document(folder, tmp_path):
    out = tmp_path / "out"
    made = prepare_docpages(out, pdfs=folder, classes=["Picture", "Text"], long_side=396)
    train, val = load(out, "train"), load(out, "val")
    assert {image["pdf"] for image in train["images"]}.isdisjoint(image["pdf"] for image in val["images"])
    assert made["counts"]["train"]["documents"] + made["counts"]["val"]["documents"] == 6
    assert len(val["images"]) == 2 * made["counts"]["val"]["documents"] == 2
    assert train["categories"] == [
        {"id": 1, "name": "Picture", "supercategory": "page"}, {"id": 2, "name": "Text", "supercategory": "page"}
    ]  # fmt: skip
    for tree in (train, val):
        assert [image["id"] for image in tree["images"]] == list(range(1, len(tree["images"]) + 1))
        assert [a["id"] for a in tree["annotations"]] == list(range(1, len(tree["annotations"]) + 1))
        for image in tree["images"]:
            # 612 x 792 points at 396 pixels: half a pixel a point
            assert cv2.imread(str(out / "images" / image["file_name"])).shape == (396, 306, 3)
            assert (image["width"], image["height"]) == (306, 396)
        pictures = [a["bbox"] for a in tree["annotations"] if a["category_id"] == 1]
        assert len(pictures) == len(tree["images"]) / 2
        for box in pictures:
            assert box == pytest.approx([100, 101, 60, 45], abs=2)


def test_second_call_does_nothing_and_a_new_choice_reuses_the_parts(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert not prepare_docpages(out, pdfs=folder, long_side=200)["already_there"]
    monkeypatch.setattr(docpages_work, "understand_document", lambda *a: pytest.fail("the parts were not used"))
    monkeypatch.setattr(docpages_work, "render_pages", lambda *a: pytest.fail("rendered again"))
    assert prepare_docpages(out, pdfs=folder, long_side=200)["already_there"]
    assert not prepare_docpages(out, pdfs=folder, long_side=200, classes=["Picture"])["already_there"]


def test_a_lost_image_and_a_broken_part_are_made_anew(folder, tmp_path):
    out = tmp_path / "out"
    prepare_docpages(out, pdfs=folder, long_side=200)
    first = (out / "train.json").read_bytes()
    image = out / "images" / load(out, "train")["images"][0]["file_name"]
    image.unlink()
    next((out / "parts").iterdir()).write_text('{"code":')
    assert not prepare_docpages(out, pdfs=folder, long_side=200)["already_there"]
    assert image.is_file() and (out / "train.json").read_bytes() == first


def test_same_bytes_from_one_process_and_from_two(folder, tmp_path):
    prepare_docpages(tmp_path / "a", pdfs=folder, long_side=200)
    prepare_docpages(tmp_path / "b", pdfs=folder, long_side=200, workers=2)
    for file in sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()):
        if file.name != "manifest.json":
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_bad_pdfs_are_reported_and_the_rest_is_made(folder, tmp_path, write_pdf):
    (folder / "damaged.pdf").write_bytes(b"%PDF-1.4\nnothing follows")
    (folder / "empty.pdf").write_bytes(b"")
    write_pdf(folder / "scan.pdf", [IMAGE])
    (folder / "again.pdf").write_bytes((folder / "doc0.pdf").read_bytes())
    made = prepare_docpages(tmp_path / "out", pdfs=folder, long_side=200)
    told = "\n".join(made["problems"])
    assert re.search(r"damaged.pdf: damaged", told) and re.search(r"empty.pdf: damaged", told)
    assert re.search(r"scan.pdf: no page with text", told)
    assert re.search(r"doc0.pdf: same content as again.pdf", told)
    assert sum(made["counts"][split]["pages"] for split in SPLITS) == 12


def test_nothing_to_make_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no folder of PDFs"):
        prepare_docpages(tmp_path / "out", pdfs=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no .pdf file"):
        prepare_docpages(tmp_path / "out", pdfs=tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"no")
    with pytest.raises(ValueError, match="a.pdf: damaged"):
        prepare_docpages(tmp_path / "out", pdfs=tmp_path)


@pytest.mark.parametrize("name", ["train.json", "val.json", "manifest.json", "images/a.jpg"])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(folder, tmp_path, name):
    file = tmp_path / "out" / name
    file.parent.mkdir(parents=True)
    file.write_text("[]")
    with pytest.raises(ValueError, match=f"holds {name.split('/')[0]}, .* choose another --out"):
        prepare_docpages(tmp_path / "out", pdfs=folder, long_side=200)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [file] and file.read_text() == "[]"


@pytest.mark.parametrize("gone", ["manifest.json", "parts"])
def test_a_folder_of_an_earlier_run_goes_on_by_its_manifest_or_its_parts(folder, tmp_path, gone):
    out = tmp_path / "out"
    prepare_docpages(out, pdfs=folder, long_side=200)
    (out / gone).rename(tmp_path / "gone")
    assert not prepare_docpages(out, pdfs=folder, long_side=200, classes=["Picture"])["already_there"]


def test_unfit_pages_of_a_folder_are_left_out(tmp_path, write_pdf, prose, words):
    code = "".join(words("F2", 9, 72, 700 - 11 * i, "x <- c(1, 2, 3); mean(x)") for i in range(20))
    many = "".join(words("F1", 10, 72 + 250 * (i % 2), 740 - 18 * (i // 2), f"entry {i}") for i in range(78))
    write_pdf(tmp_path / "a.pdf", [prose(72, 700, 5), code, many, ""])
    write_pdf(tmp_path / "wide.pdf", [prose(72, 500, 5)], size=(792, 612))
    made = prepare_docpages(tmp_path / "out", pdfs=tmp_path, long_side=200)
    assert [(page["pdf"], page["page"]) for page in made["pages"]] == [("a.pdf", 1)]


def entry(number, kinds, sha="0" * 64):
    regions = tuple((kind, (10.0, 20.0 * i, 90.0, 20.0 * i + 12)) for i, kind in enumerate(kinds))
    return PageEntry(
        Source(Path("a.pdf"), "a.pdf", sha, "train"), number, LabelledPage(100.0, 200.0, regions, None), 400
    )


def test_rich_pages_come_first_and_empty_ones_are_few():
    entries = [entry(n, ["Text", "Table"] if n <= 20 else ["Text"]) for n in range(1, 101)]
    names = ("Table",)
    chosen = choose_pages(entries, "doclaynet", names, None, seed=0)
    assert sum(e.number <= 20 for e in chosen) == 20
    assert len(chosen) - 20 == 3 == int(EMPTY_SHARE * 20 / (1 - EMPTY_SHARE))
    ten = choose_pages(entries, "doclaynet", ("Table", "Text"), 10, seed=0)
    assert len(ten) == 10 and all(e.number <= 20 for e in ten)
    assert ten == choose_pages(list(reversed(entries)), "doclaynet", ("Table", "Text"), 10, seed=0)


def test_coco_boxes_are_clipped_and_lists_joined_for_publaynet():
    page = LabelledPage(100.0, 200.0, (("Table", (-5.0, 10.0, 60.0, 30.0)), ("Page-footer", (0.0, 190.0, 9.0, 199.0)),
                                       ("List-item", (10.0, 50.0, 90.0, 60.0)), ("List-item", (12.0, 63.0, 80.0, 70.0)),
                                       ("Picture", (10.0, 100.0, 10.2, 120.0))), None)  # fmt: skip
    source = Source(Path("a.pdf"), "a.pdf", "0" * 64, "train")
    tree = coco_json([PageEntry(source, 1, page, 400)], "publaynet", ("table", "list", "figure"))
    assert [(a["category_id"], a["bbox"], a["area"]) for a in tree["annotations"]] == [
        (1, [0, 20, 120, 40], 4800), (2, [20, 100, 160, 40], 6400)
    ]  # fmt: skip


def test_a_pdf_that_ends_its_process_is_reported(monkeypatch):
    results = docpages_work.run_each(_fragile, [(0,), (1,), (2,)], workers=2)
    assert results == [0, "reading it ended the process", 2]


def _fragile(number):
    if number == 1:
        import os

        os._exit(9)
    return number


# --- the frozen list -----------------------------------------------------------------------------


@pytest.fixture
def frozen(tmp_path, write_pdf, prose):
    """A frozen list of two packages, and a folder with their .deb files."""
    debs = tmp_path / "debs"
    debs.mkdir()
    listed = []
    for name, split in (("fox", "train"), ("dog", "val")):
        pages = [prose(72, 700, 4) + IMAGE, prose(90, 650, 6)][: 2 if name == "fox" else 1]
        pdf = write_pdf(tmp_path / f"{name}.pdf", pages)
        listed.append(FrozenPdf(name, "1.0", split, f"usr/{name}.pdf", sha256_of(pdf), (1, 2)[: len(pages)]))
        (debs / f"{name}.deb").write_bytes(deb_of(name, "1.0", pdf))
    write_frozen_list(tmp_path / "list.json", listed)
    return tmp_path / "list.json", debs, listed


def deb_of(name, version, pdf):
    def tar_of(inner, content):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
            item = tarfile.TarInfo(inner)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
        return buffer.getvalue()

    out = b"!<arch>\n"
    control = f"Package: {name}\nVersion: {version}\n".encode()
    members = {
        "control.tar.xz": tar_of("./control", control),
        "data.tar.xz": tar_of(f"./usr/{pdf.name}", pdf.read_bytes()),
    }
    for member, content in members.items():
        out += f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


def test_frozen_list_round_trip(frozen):
    path, _, listed = frozen
    assert read_frozen_list(path) == sorted(listed, key=lambda pdf: pdf.package)


def test_the_frozen_pages_and_splits_are_made_without_network(frozen, tmp_path):
    path, debs, _ = frozen
    made = prepare_docpages(tmp_path / "out", frozen_list=path, debs=debs, long_side=200)
    assert not made["problems"]
    assert [(p["package"], p["split"], p["page"]) for p in made["pages"]] == [
        ("dog", "val", 1), ("fox", "train", 1), ("fox", "train", 2)
    ]  # fmt: skip


def test_what_was_missing_is_made_once_it_is_there(frozen, tmp_path):
    path, debs, _ = frozen
    words = {"frozen_list": path, "debs": debs, "long_side": 200}
    (debs / "dog.deb").rename(tmp_path / "dog.deb")
    assert not prepare_docpages(tmp_path / "out", **words)["already_there"]
    again = prepare_docpages(tmp_path / "out", **words)
    assert again["already_there"] and again["counts"]["val"]["pages"] == 0, "it still is"
    (tmp_path / "dog.deb").rename(debs / "dog.deb")
    made = prepare_docpages(tmp_path / "out", **words)
    assert not made["already_there"] and made["counts"]["val"]["pages"] == 1 and not made["problems"]


def test_a_preparation_that_is_stopped_leaves_no_old_manifest(frozen, tmp_path, monkeypatch):
    path, debs, _ = frozen
    words = {"frozen_list": path, "debs": debs, "long_side": 200}
    prepare_docpages(tmp_path / "out", **words)
    with monkeypatch.context() as stopped:
        stopped.setattr(docpages, "coco_json", lambda *_words: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepare_docpages(tmp_path / "out", **words, classes=["Picture"])
    assert not prepare_docpages(tmp_path / "out", **words)["already_there"]


def test_packages_may_be_left_out(frozen, tmp_path):
    path, debs, _ = frozen
    made = prepare_docpages(tmp_path / "out", frozen_list=path, debs=debs, long_side=200, without=["fox"])
    assert [page["package"] for page in made["pages"]] == ["dog"] and not made["problems"]
    with pytest.raises(ValueError, match="to leave out: no package named 'fos'; did you mean 'fox'"):
        prepare_docpages(tmp_path / "out", frozen_list=path, debs=debs, without=["fos"])


def test_missing_packages_and_other_versions_are_reported(frozen, tmp_path, write_pdf, prose):
    path, debs, _ = frozen
    (debs / "dog.deb").unlink()
    (tmp_path / "new").mkdir()
    newer = write_pdf(tmp_path / "new" / "fox.pdf", [prose(72, 600, 9)])
    (debs / "fox.deb").write_bytes(deb_of("fox", "2.0", newer))
    made = prepare_docpages(tmp_path / "out", frozen_list=path, debs=debs, long_side=200)
    told = "\n".join(made["problems"])
    assert "package dog 1.0: not in" in told and "package fox: 2.0 instead of 1.0" in told
    assert "usr/fox.pdf is not the frozen one" in told and "usr/fox.pdf: pages 2 are not there" in told
    assert [page["page"] for page in made["pages"]] == [1]


@pytest.mark.parametrize("text", ["", "[]", '{"packages": [{"package": "fox"}]}'])
def test_a_bad_frozen_list_is_named(tmp_path, text):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(ValueError, match="not a frozen list"):
        read_frozen_list(tmp_path / "list.json")


def test_the_committed_list_is_sound():
    pdfs = read_frozen_list(FROZEN)
    assert len({pdf.sha256 for pdf in pdfs}) == len(pdfs) == len({(pdf.package, pdf.name) for pdf in pdfs})
    assert all(re.fullmatch(r"[0-9a-f]{64}", pdf.sha256) and pdf.split in SPLITS for pdf in pdfs)
    assert all(list(pdf.pages) == sorted(set(pdf.pages)) and pdf.pages[0] >= 1 for pdf in pdfs)
    splits = {split: {pdf.package for pdf in pdfs if pdf.split == split} for split in SPLITS}
    assert splits["train"].isdisjoint(splits["val"]) and len(splits["val"]) >= 4
    assert sum(len(pdf.pages) for pdf in pdfs if pdf.split == "val") >= 100
    assert len({(pdf.package, pdf.version) for pdf in pdfs}) == len({pdf.package for pdf in pdfs})


def test_folder_split_is_by_content_not_by_name(folder):
    sources, _ = folder_sources(folder, seed=0)
    before = {source.sha256: source.split for source in sources}
    for index, path in enumerate(sorted(folder.rglob("*.pdf"))):
        path.rename(path.with_name(f"{9 - index}.pdf"))
    assert {source.sha256: source.split for source in folder_sources(folder, seed=0)[0]} == before
    assert sorted(before.values()) == ["train"] * 5 + ["val"]


def test_changed_code_makes_new_boxes(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    prepare_docpages(out, pdfs=folder, long_side=200)
    monkeypatch.setattr(docpages, "code_digest", lambda: "other")
    called = []
    original = docpages_work.understand_document
    monkeypatch.setattr(docpages_work, "understand_document", lambda *a: called.append(a) or original(*a))
    assert not prepare_docpages(out, pdfs=folder, long_side=200)["already_there"]
    assert len(called) == 6
