"""Progress by hand: counts, rate, time left, failures."""

import json
import os

import pytest

from dense_det.distillation.input_writer import InputWriter
from dense_det.distillation.progress import Outlook, duration, read_progress
from dense_det.distillation.share import Share
from dense_det.distillation.work_folder import (
    Failure,
    InputImage,
    Plan,
    Rejected,
    WorkFolder,
    write_json,
    write_lines,
)


@pytest.fixture
def work(tmp_path):
    """10 images in shards of 4; shards 0 and 2 (two images) are finished, in 8 and 4 seconds."""
    work = WorkFolder(tmp_path)
    writer = InputWriter(work.images, 4)
    for number in range(1, 11):
        writer.add(InputImage(number, "a.jpg", None, None, "00", 1, 1))
    writer.close()
    work.write_plan(Plan(4, 10, 3, [], {}, "", None, {"num_images": 5}))
    for shard, seconds, images, end in ((0, 8, 3, 1000), (2, 4, 2, 1004)):
        write_lines(work.images.failures(shard), [Failure(4, "a.jpg", None, None, "0 bytes")] if shard == 0 else [])
        write_json(work.images.seconds(shard), {"seconds": seconds, "images": images})
        work.images.predictions(shard).parent.mkdir(exist_ok=True)
        work.images.predictions(shard).write_bytes(b"")
        os.utime(work.images.predictions(shard), (end, end))
    return work


def test_by_hand(work):
    progress = read_progress(work)
    assert (progress.shards_done, progress.images_done) == (2, 6)
    assert (progress.validation_shards, progress.validation_shards_done) == (2, 0)
    assert progress.seconds_per_image == 12 / 5
    assert progress.images_per_second == 5 / 12  # from second 992 to second 1004
    assert progress.seconds_left == pytest.approx(4 * 12 / 5)
    text = str(progress)
    assert "shards: 2 of 3 done, 6 of 10 images" in text and "2.400 s an image" in text and "time left: 10 s" in text
    assert "failures: 1 (16.7%)" in text and "1 0 bytes" in text
    assert json.loads(work.failures_path.read_text())["reason"] == "0 bytes"


def test_what_failed_elsewhere(work):
    work.write_plan(Plan(4, 10, 3, [], {"bad": 3, "duplicate": 1}, "", None, {"num_images": 5}))
    reasons = [("bad", "0 bytes"), ("duplicate", "the same"), ("bad", "PDF a\nb\udcff"), ("bad", "0 bytes")]
    write_lines(work.rejected_path, [Rejected("a.jpg", None, None, *row) for row in reasons])
    write_lines(work.validation.failures(1), [Failure(9, "v.jpg", None, None, "no such file")])
    work.validation.predictions(1).parent.mkdir(parents=True)
    work.validation.predictions(1).write_bytes(b"")
    text = str(read_progress(work))
    assert "validation: 1 of 2 shards done" in text
    assert "\nvalidation failures: 1, listed there, too\n  1 no such file\n" in text
    assert text.endswith("\nbad files that plan left out: 3, listed there, too\n  2 0 bytes\n  1 PDF a\\nb\\udcff")
    assert "failures: 1 (16.7%), listed in failures.jsonl" in text


def test_nothing_yet(tmp_path):
    work = WorkFolder(tmp_path)
    with pytest.raises(ValueError, match="no finished plan"):
        read_progress(work)
    work.write_plan(Plan(4, 10, 3, [], {}, ""))
    assert str(read_progress(work)) == "shards: 0 of 3 done, 0 of 10 images\nfailures: 0, listed in failures.jsonl"


def finish(work, shard, seconds, images, end):
    write_json(work.images.seconds(shard), {"seconds": seconds, "images": images})
    work.images.predictions(shard).write_bytes(b"")
    os.utime(work.images.predictions(shard), (end, end))


def test_the_outlook_by_hand(tmp_path):
    work = WorkFolder(tmp_path)
    work.images.predictions(0).parent.mkdir()
    work.write_plan(Plan(4, 18, 5, [], {}, ""))
    finish(work, 0, 999, 4, 100)  # by an earlier run, perhaps on another machine: not asked
    outlook = Outlook(work, Share(0, 1).tasks(work.read_plan()), 2)
    assert outlook.seconds_left() is None and str(outlook) == ""
    finish(work, 1, 8, 4, 1008)  # 2 s an image, and two workers; of 4 + 4 + 4 + 2 images 10 are left
    assert outlook.seconds_left() == 10
    assert str(outlook).startswith("; about 10 s left, until ")
    finish(work, 2, 8, 4, 1008)
    finish(work, 3, 8, 4, 1004)  # another run helps: 12 images from 996 to 1008
    assert outlook.seconds_left() == 2
    finish(work, 4, 4, 2, 1012)
    assert outlook.seconds_left() == 0 and str(outlook) == ""


def test_the_pace_is_that_since_the_last_pause(tmp_path):
    """Two shards on Friday, two on Monday, by two workers: 8 images from second 300,000 to 300,010."""
    work = WorkFolder(tmp_path)
    work.images.predictions(0).parent.mkdir()
    work.write_plan(Plan(4, 24, 6, [], {}, ""))
    for shard in range(5):
        write_lines(work.images.failures(shard), [])
    for shard, end in enumerate((1010, 1050, 300008, 300010)):
        finish(work, shard, 8, 4, end)
    progress = read_progress(work)
    assert (progress.images_per_second, progress.seconds_left) == (0.8, 10)
    finish(work, 4, 4, 4, 300070)  # 56 s after the last one: no pause
    assert read_progress(work).images_per_second == 12 / 70


def test_durations():
    assert [duration(s) for s in (9, 125, 3725)] == ["9 s", "2 min 05 s", "1 h 02 min"]
