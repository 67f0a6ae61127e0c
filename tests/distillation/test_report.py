import argparse
import base64
import dataclasses
import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from dense_det.distillation.commands import report, select
from dense_det.distillation.histogram import BINS, ScoreCounts, score_chart
from dense_det.distillation.report import gather, kinds_of, labelled_sides, relative_sides
from dense_det.distillation.rule import KEPT, REJECTED, UNSURE, Rule
from dense_det.distillation.web_page import redact, table
from dense_det.distillation.work_folder import Failure, InputImage, Rejected, write_lines
from tests.chromium import Chromium


def run(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return list(command.main(parser.parse_args([str(word) for word in words])))


def test_score_counts_by_hand():
    counts = ScoreCounts(2)
    counts.add([0.0, 0.019, 0.02, 1.0], np.array([0, 0, 0, 1]))
    assert counts.counts[0, :2].tolist() == [2, 1] and counts.counts[1, BINS - 1] == 1
    assert counts.counts.sum() == 4


def test_a_chart_marks_the_threshold():
    chart = score_chart("a < b", np.arange(BINS), 0.8)
    assert "a &lt; b" in chart and chart.count("<rect") == BINS and ">0.800<" in chart
    assert chart.count("#0072b2") == 10  # the kept fifth
    assert "d55e00" not in score_chart("none", np.arange(BINS), np.inf)


def test_kinds_of_images():
    assert kinds_of(np.array([KEPT, UNSURE])) == ["accepted", "unsure"]
    assert kinds_of(np.array([REJECTED])) == ["rejected", "empty"]
    assert kinds_of(np.array([], int)) == ["empty"]


def test_sizes_are_relative_to_the_image(tmp_path):
    assert relative_sides(np.array([[0, 0, 50, 50], [10, 0, 10, 9]]), 100, 100).tolist() == [0.5, 0]
    coco = {
        "images": [{"id": 1, "width": 100, "height": 100}],
        "categories": [{"id": 5, "name": "b"}],
        "annotations": [{"image_id": 1, "category_id": 5, "bbox": [0, 0, side, side]} for side in (20, 40)],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    assert labelled_sides(tmp_path / "coco.json", ["a", "b"]) == pytest.approx([np.nan, 0.3], nan_ok=True)


def test_gathering_by_hand(predictions):
    images = [
        (InputImage(1, "", None, None, "", 80, 10), predictions(1, (0.9, 0, 1), (0.3, 0, 1))),
        (InputImage(2, "", None, None, "", 9, 9), predictions(2)),
    ]
    found = gather(images, Rule(np.array([0.5], np.float32)), 5)
    assert found.totals.tolist() == [[0], [1], [1]] and (found.images, found.without_label) == (2, 1)
    assert found.side_sum == pytest.approx([np.sqrt(8 * 10 / 800)])
    assert [len(found.examples[kind].items()) for kind in ("accepted", "unsure", "rejected", "empty")] == [1, 1, 0, 1]


def test_redaction_leaves_no_detail():
    picture = np.zeros((64, 48, 3), np.uint8)
    picture[::2] = 255  # lines of a pixel
    picture[:, 24:] //= 2
    hidden = redact(picture)
    assert hidden.shape == picture.shape and np.ptp(hidden, 0).max() <= 1
    assert hidden[:, 0].mean() == pytest.approx(127, abs=15) and hidden[:, -1].mean() == pytest.approx(63, abs=15)
    assert redact(np.full((1, 5, 3), 9, np.uint8)).tolist() == [[[9] * 3] * 5]


def test_a_table_escapes_and_dashes():
    assert "<td>&lt;b&gt;</td><td>&ndash;</td><td>1,000</td><td>0.500</td>" in table(
        ["x"] * 4, [["<b>", float("nan"), 1000, 0.5]]
    )


def test_the_page_is_self_contained(tmp_path, labelled_work):
    labelled_work()
    run(select, tmp_path / "work", "--out", tmp_path / "pseudo.json")
    (line,) = run(report, tmp_path / "work", tmp_path / "pseudo.json", "--out", tmp_path / "report.html", "--redact")
    page = (tmp_path / "report.html").read_text()
    assert line.endswith("3 images, 3 labels")
    assert "http" not in page and not re.findall(r'(?:src|href)="(?!data:)', page)
    assert page.count("<figure>") == page.count("data:image/jpeg") == 5  # two accepted, two unsure, one empty
    assert page.count("<svg") == 2
    assert "<td>model_of_a_long_name.pth</td>" in page, "the digest alone is cut"


@pytest.mark.parametrize("options", [(), ("--redact",)])
def test_a_browser_shows_all_of_it(tmp_path, labelled_work, options):
    labelled_work()
    page = tmp_path / "report.html"
    run(select, tmp_path / "work", "--out", tmp_path / "pseudo.json")
    run(report, tmp_path / "work", tmp_path / "pseudo.json", "--out", page, *options)
    with Chromium(tmp_path / "profile") as browser:
        browser.open(page.as_uri())
        assert browser.run("[...document.images].map(image => image.complete && image.naturalWidth > 0)") == [True] * 5
        heights = browser.run("[...document.querySelectorAll('svg, table, h2')].map(one => one.clientHeight)")
        assert len(heights) > 8 and min(heights) > 10
        # nothing sticks out to the right
        width = browser.run("document.documentElement.clientWidth")
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.complaints == []


def test_a_redacted_page_shows_no_detail_of_any_picture(tmp_path, labelled_work):
    """Also of those on which nothing was found, and outside of boxes."""
    work = labelled_work()
    lines = np.zeros((40, 60, 3), np.uint8)
    lines[::4] = lines[1::4] = 255
    images = [json.loads(line) for shard in (0, 1) for line in work.images.inputs(shard).read_text().splitlines()]
    for number, row in enumerate(images, 1):
        Image.fromarray(lines).save(tmp_path / f"{number}.png")
        row |= {"file_name": str(tmp_path / f"{number}.png")}
        row["sha256"] = hashlib.sha256((tmp_path / f"{number}.png").read_bytes()).hexdigest()
    for shard, rows in enumerate((images[:2], images[2:])):
        work.images.inputs(shard).write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(select, tmp_path / "work", "--out", tmp_path / "pseudo.json", "--force")

    def steepest(*options):
        """Of the last columns of each picture, where no box stands."""
        run(report, tmp_path / "work", tmp_path / "pseudo.json", "--out", tmp_path / "report.html", *options)
        found = re.findall('jpeg;base64,([^"]+)', (tmp_path / "report.html").read_text())
        pictures = [np.array(Image.open(io.BytesIO(base64.b64decode(code))).convert("L"), int) for code in found]
        return [np.abs(np.diff(picture[:, 40:], axis=0)).max() for picture in pictures]

    assert min(steepest()) > 100
    assert len(steepest("--redact")) == 5 and max(steepest("--redact")) < 20


def test_the_page_counts_the_ignore_regions_of_the_file(tmp_path, labelled_work):
    """At .85 the second image has an unsure box and no label: select drops it."""
    labelled_work()
    labels, page = tmp_path / "pseudo.json", tmp_path / "report.html"
    lines = run(select, tmp_path / "work", "--out", labels, "--rule", "fixed", "--value", "0.85", "--force")
    assert lines[-2].endswith("1 images, 1 labels, 2 ignore regions")
    run(report, tmp_path / "work", labels, "--out", page)
    assert "<td>ignore regions</td><td>2</td>" in page.read_text()
    with pytest.raises(ValueError, match="--pictures must be 0 or more, got -1"):
        run(report, tmp_path / "work", labels, "--out", page, "--pictures", "-1")


def test_names_that_no_page_can_hold(tmp_path, labelled_work):
    """A line break, markup, and a byte that is no UTF-8, of an image and of a failure."""
    work, name = labelled_work(), tmp_path / "secret\n<b>\udcff.jpg"
    (tmp_path / "1.jpg").rename(name)
    lines = work.images.inputs(0).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    rows[0]["file_name"] = str(name)
    work.images.inputs(0).write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_lines(work.images.failures(1), [Failure(17, str(name), None, 2, f"PermissionError: {str(name)!r}")])
    run(select, tmp_path / "work", "--out", tmp_path / "pseudo.json", "--force")

    def body(*options):
        run(report, tmp_path / "work", tmp_path / "pseudo.json", "--out", tmp_path / "report.html", *options)
        return (tmp_path / "report.html").read_text(encoding="utf-8").partition("</style>")[2]

    assert "secret\\n&lt;b&gt;\\udcff.jpg: " in body() and "<b>" not in body()
    assert f"<td>{tmp_path}/secret" in body()
    hidden = body("--redact")
    assert "<td>image 17</td><td>PermissionError: &#x27;image 17&#x27;</td>" in hidden
    assert "secret" not in hidden and str(tmp_path) not in hidden


def test_failures_of_each_kind_have_their_table(tmp_path, labelled_work):
    work = labelled_work()
    bad = [Rejected(f"/bank/{n}.jpg", None, None, "bad", "0 bytes") for n in range(3)]
    write_lines(work.rejected_path, bad)
    work.write_plan(dataclasses.replace(work.read_plan(), counts={"bad": 3}))
    write_lines(work.images.failures(1), [Failure(3, "/bank/x.jpg", None, None, "changed since it was planned")])
    run(select, tmp_path / "work", "--out", tmp_path / "pseudo.json", "--force")
    run(report, tmp_path / "work", tmp_path / "pseudo.json", "--out", tmp_path / "report.html", "--pictures", "2")
    page = (tmp_path / "report.html").read_text()
    assert "<p>1 images could not be labelled; the first 1:</p>" in page and "<td>/bank/x.jpg</td>" in page
    assert "<p>3 bad files were left out by plan; the first 2:</p>" in page and "/bank/2.jpg" not in page
    run(report, tmp_path / "work", tmp_path / "pseudo.json", "--out", tmp_path / "report.html", "--redact")
    page = (tmp_path / "report.html").read_text()
    assert "<td>a bad file</td><td>0 bytes</td>" in page and "bank" not in page
