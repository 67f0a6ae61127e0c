"""Workers: finished shards stay and are the same bytes, whoever is killed; bad files and full disks are named."""

import errno
import json
import math
import multiprocessing
import os
import random
import signal
import time

import numpy as np
import pytest

from dense_det.distillation import shard_worker
from dense_det.distillation.failure_budget import TooManyFailures
from dense_det.distillation.image_reader import BadImage, PassingFault
from dense_det.distillation.input_writer import InputWriter
from dense_det.distillation.lanes import Lanes
from dense_det.distillation.shard_file import ImagePredictions, ShardPredictions
from dense_det.distillation.shard_worker import label_share, never
from dense_det.distillation.share import Share, Task
from dense_det.distillation.work_folder import Failure, InputImage, Plan, WorkFolder


class FakeReader:
    """Images are their ids; those in `bad` cannot be read."""

    def __init__(self, bad=()):
        self.bad = set(bad)

    def read(self, image):
        if image.id in self.bad:
            raise BadImage("truncated")
        return image.id


class FakeLabeller:
    """As many boxes as the id says, always the same for an id."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def label(self, pixels, image_id, size):
        assert pixels == image_id
        time.sleep(self.seconds)
        rows = np.random.default_rng(image_id).uniform(0, 1, (image_id % 4, 7))
        return ImagePredictions(image_id, rows[:, :4], rows[:, 4], np.zeros(len(rows)), rows[:, 5], rows[:, 6])


def make_work(root, num_images=23, shard_size=4, num_validation=0, folder="/") -> WorkFolder:
    work = WorkFolder(root)
    for shards, count in ((work.images, num_images), (work.validation, num_validation)):
        writer = InputWriter(shards, shard_size)
        for number in range(1, count + 1):
            writer.add(InputImage(number, f"{folder}{number}.jpg", None, None, "00", 1, 1))
        writer.close()
    validation = {"num_images": num_validation} if num_validation else None
    work.write_plan(Plan(shard_size, num_images, -(-num_images // shard_size), [], {}, "", None, validation))
    return work


def run(work, share=None, bad=(), rate=1.0, stop=never, labeller=None, num=1):
    plan = work.read_plan()
    tasks = (share or Share(0, 1)).tasks(plan)
    lanes = Lanes([labeller or FakeLabeller() for _ in range(num)], FakeReader(bad))
    return list(label_share(work, plan, tasks, lanes, rate, stop))


def contents(work) -> dict[str, bytes]:
    """Every file that says what was found, none that says how long it took."""
    return {
        str(path.relative_to(work.root)): path.read_bytes()
        for folder in (work.root, work.validation.root)
        for kind in ("predictions", "failures")
        for path in (folder / kind).glob("*")
    }


def test_by_hand(tmp_path):
    work = make_work(tmp_path, 6, 4, num_validation=2)
    reports = run(work, bad={2})
    assert [(r.task, r.images, r.failures, r.boxes) for r in reports] == [
        (Task(True, 0), 1, 1, 1), (Task(False, 0), 3, 1, 1 + 3 + 0), (Task(False, 1), 2, 0, 1 + 2),
    ]  # fmt: skip
    assert str(reports[1]).startswith("shard 0: 3 images, 4 boxes, 1 failed, ")
    first = ShardPredictions.load(work.images.predictions(0))
    assert first.image_id.tolist() == [1, 3, 4]
    (failure,) = work.images.read_failures(0)
    assert (failure.id, failure.file_name, failure.reason) == (2, "/2.jpg", "truncated")
    assert work.images.failures(1).read_text() == ""
    assert json.loads(work.images.seconds(0).read_text())["images"] == 3
    assert work.validation.is_finished(0)


def test_any_order_and_number_of_workers_give_the_same_bytes(tmp_path):
    one, three, lanes = (make_work(tmp_path / name) for name in "abc")
    run(one, bad={5})
    for index in (2, 0, 1):
        run(three, Share(index, 3), bad={5})
    run(lanes, bad={5}, num=4)
    assert contents(one) == contents(three) == contents(lanes) and len(contents(one)) == 12


def test_finished_shards_are_skipped(tmp_path):
    work = make_work(tmp_path)
    run(work, Share(1, 2))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    assert [report.task.shard for report in run(work)] == [0, 2, 4]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert run(work) == []


def test_stop_leaves_the_shard_at_hand_unfinished(tmp_path):
    work = make_work(tmp_path)
    asked = iter([False] * 6 + [True] * 99)
    assert [report.task.shard for report in run(work, stop=lambda: next(asked))] == [0]
    assert not work.images.is_finished(1)


def test_too_many_failures(tmp_path):
    work = make_work(tmp_path, 20, 4)
    with pytest.raises(TooManyFailures, match=r"shard 1: 2 of 4 images .*\n  /7.jpg: truncated"):
        run(work, bad={1, 7, 8}, rate=0.1)  # 2 of 20 may fail
    assert work.images.is_finished(0) and not work.images.is_finished(1)
    with pytest.raises(TooManyFailures):
        run(work, bad={1, 7, 8}, rate=0.1)
    assert work.images.finished() == {0, 2, 3, 4}, "it comes last the second time"
    assert len(run(work, bad={1, 7, 8}, rate=0.15)) == 1


def test_the_failures_of_all_workers_count(tmp_path):
    work = make_work(tmp_path, 20, 4)
    plan = work.read_plan()
    mine, others = (
        label_share(work, plan, share.tasks(plan), Lanes([FakeLabeller()], FakeReader({1, 5, 9})), 0.1, never)
        for share in (Share(0, 2), Share(1, 2))
    )
    done = [next(mine).task.shard, next(others).task.shard]
    assert sorted(done) == [0, 1], "two of 20 have failed, as many as may"
    with pytest.raises(TooManyFailures, match="1 of 4 images .* beside those of the other shards"):
        list(mine)


class Stumbling(FakeLabeller):
    """Raises an error on some images."""

    def __init__(self, images, error=None):
        super().__init__()
        self.images, self.error = images, error or RuntimeError("stride 0")

    def label(self, pixels, image_id, size):
        if image_id in self.images:
            raise self.error
        return super().label(pixels, image_id, size)


def test_a_teacher_that_fails_on_one_image_goes_on(tmp_path, caplog):
    work = make_work(tmp_path)
    assert len(run(work, labeller=Stumbling({7}), rate=0.1)) == 6
    (failure,) = work.images.read_failures(1)
    assert (failure.id, failure.reason) == (7, "the teacher failed: RuntimeError: stride 0")
    assert "the teacher failed on image 7, /7.jpg" in caplog.text and "Traceback" in caplog.text


def test_a_teacher_that_fails_on_all_images_ends_the_run(tmp_path):
    work = make_work(tmp_path, 30, 8)
    complaint = (
        "^shard 1: the teacher failed on all 8 images, the last time with RuntimeError: stride 0. The shard is not "
        "finished and comes last the next time: mend the teacher .* and run again"
    )
    with pytest.raises(ValueError, match=complaint):
        run(work, labeller=Stumbling(range(9, 17)), rate=1.0)
    assert work.images.finished() == {0}
    with pytest.raises(ValueError, match=complaint):
        run(work, labeller=Stumbling(range(9, 17)), rate=1.0)
    assert work.images.finished() == {0, 2, 3}, "it comes last the second time"
    alone = make_work(tmp_path / "alone", 1)
    with pytest.raises(ValueError, match="failed on all 1 images"):
        run(alone, labeller=Stumbling({1}), rate=1.0)


def test_bad_files_are_not_the_teacher_s_fault(tmp_path):
    work = make_work(tmp_path, 40, 10)
    assert [report.failures for report in run(work, bad=range(1, 10), labeller=Stumbling({10}))] == [10, 0, 0, 0]
    work = make_work(tmp_path / "broken", 10, 10)
    with pytest.raises(ValueError, match="shard 0: the teacher failed on all 8 images that could be read, "):
        run(work, bad={2, 5}, labeller=Stumbling(range(1, 11)))


def test_a_last_shard_of_one_odd_image_is_finished(tmp_path):
    work = make_work(tmp_path, 5, 4)
    assert [report.failures for report in run(work, labeller=Stumbling({5}), rate=1.0)] == [0, 1]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
              RuntimeError("CUDA error: device-side assert triggered")],
)  # fmt: skip
def test_what_is_the_machine_s_fault_is_tried_again(tmp_path, error):
    work = make_work(tmp_path)
    with pytest.raises(OSError, match=rf"/6.jpg: {type(error).__name__}: .*fewer --num-workers.*finished shards stay"):
        run(work, labeller=Stumbling({6}, error), rate=1.0)
    assert work.images.finished() == {0}
    with pytest.raises(OSError, match="/6.jpg: .* this one comes last"):
        run(work, labeller=Stumbling({6}, error), rate=1.0)
    assert work.images.finished() == {0, 2, 3, 4, 5}, "all behind it"
    assert [report.failures for report in run(work)] == [0], "no image is blamed, however often"
    assert not list(work.root.glob("claims/*"))


def test_a_disk_that_is_slow_blames_no_image(tmp_path):
    class Slow(FakeReader):
        def read(self, image):
            raise PassingFault("OSError: Stale file handle")

    work = make_work(tmp_path)
    plan = work.read_plan()
    with pytest.raises(OSError, match="/1.jpg: OSError: Stale file handle: the machine's fault, not the image's"):
        list(label_share(work, plan, Share(0, 1).tasks(plan), Lanes([FakeLabeller()], Slow(())), 1.0, never))
    assert work.images.finished() == set()
    assert [sum(report.failures for report in run(work)), len(list(work.root.glob("claims/*")))] == [0, 0]


def test_failures_of_validation_images_count(tmp_path):
    work = make_work(tmp_path, 12, 2, num_validation=12)
    with pytest.raises(TooManyFailures):
        run(work, bad={1, 3, 5}, rate=0.1)  # of both lists, two of 24 may fail
    assert len(work.validation.finished()) + len(work.images.finished()) < 12


def test_a_sound_shard_is_no_worse_where_others_failed_too_often(tmp_path):
    work = make_work(tmp_path, 12, 4)
    run(work, bad={1, 2, 3}, rate=0.5, share=Share(0, 3))
    assert len(run(work, rate=0.1)) == 2


def test_shards_of_nothing_but_bad_files_count_as_bad_files_do(tmp_path):
    """16 of 100 images: two whole shards."""
    work = make_work(tmp_path, 100, 8)
    with pytest.raises(TooManyFailures, match="shard 2: 8 of 8 images cannot be labelled, more than"):
        run(work, bad=range(9, 25), rate=0.15)
    assert work.images.finished() == {0, 1}
    assert len(run(work, bad=range(9, 25), rate=0.16)) == 11


@pytest.mark.parametrize("has_mount_point", [False, True])
def test_a_disk_that_is_not_there(tmp_path, has_mount_point):
    disk = tmp_path / "disk"
    if has_mount_point:
        disk.mkdir()
    work = make_work(tmp_path / "work", 100, 8, folder=f"{disk}/")
    for rate in (0.5, math.inf):
        with pytest.raises(
            TooManyFailures, match="(?s)shard 1: none of its 8 images .* missing, empty .*failure-rate 1"
        ):
            run(work, bad=range(9, 17), rate=rate)
        assert work.images.finished() == ({0} if rate == 0.5 else set(range(13)) - {1}), "it comes last the next time"
    assert len(run(work, bad=range(9, 17), rate=1.0)) == 1


def test_some_files_that_are_gone_are_no_lost_disk(tmp_path):
    (tmp_path / "another.jpg").touch()
    work = make_work(tmp_path / "work", 100, 8, folder=f"{tmp_path}/")
    assert len(run(work, bad=range(9, 17), rate=0.5)) == 13


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    work = make_work(tmp_path)
    real, written = os.fsync, iter(range(99))

    def fsync(handle):
        if next(written) == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="disk is full: make room and run again"):
        run(work)
    assert work.images.is_finished(0) and not work.images.is_finished(1)
    assert not list(tmp_path.rglob(".*.tmp"))
    assert [report.task.shard for report in run(work)] == [1, 2, 3, 4, 5]


def test_what_was_left_over_is_swept(tmp_path):
    work = make_work(tmp_path, 4, 4)
    work.images.predictions(0).parent.mkdir()
    left_over = work.images.predictions(0).with_name(".shard-000000.npz.abc.tmp")
    other = work.images.predictions(0).with_name(".shard-000001.npz.abc.tmp")
    for path in (left_over, other):
        path.write_bytes(b"half")
    run(work)
    assert not left_over.exists() and other.exists()


def test_two_workers_on_one_shard(tmp_path, monkeypatch):
    """The other one takes this one for dead, finishes while it labels, and sweeps away what this one is writing."""
    work = make_work(tmp_path / "a", 4, 4)
    expected = make_work(tmp_path / "b", 4, 4)
    run(expected)
    real = shard_worker.write_lines

    def write_lines(path, rows):
        monkeypatch.setattr(shard_worker, "write_lines", real)
        os.utime(work.images.claim(0, 0), (0, 0))
        assert len(run(work)) == 1
        raise FileNotFoundError(path)

    monkeypatch.setattr(shard_worker, "write_lines", write_lines)
    run(work)
    assert contents(work) == contents(expected)


class Deadly(FakeLabeller):
    """Kills its process at some images, and writes down which ones it looked at."""

    def __init__(self, log, images=()):
        super().__init__()
        self.log, self.images = log, images

    def label(self, pixels, image_id, size):
        with open(self.log, "a") as file:
            file.write(f"{image_id}\n")
        if image_id in self.images:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().label(pixels, image_id, size)


def run_until_it_ends(work, bad, deadly) -> list[list[int]]:
    """Runs in processes of their own, until one is not killed: ids that each of them labelled."""
    context, looked_at = multiprocessing.get_context("fork"), []
    while True:
        log = work.root / f"{len(looked_at)}.log"
        process = context.Process(target=run, args=(work, None, bad, 1.0, never, Deadly(log, deadly)))
        process.start()
        process.join(60)
        looked_at.append([int(line) for line in log.read_text().split()])
        if process.exitcode == 0:
            return looked_at
        assert process.exitcode == -signal.SIGKILL and len(looked_at) < 9


def test_an_image_that_kills_is_found_and_left_out(tmp_path):
    """Image 6, of shard 1 of three: the run dies at it thrice, at the second time with all other shards done."""
    work, expected = make_work(tmp_path / "a", 12, 4), make_work(tmp_path / "b", 12, 4)
    first, second, third, last = run_until_it_ends(work, {2}, {6})
    assert first[:4] == [1, 3, 4, 5] and 9 not in first, "as ever"
    assert [second, third, last] == [[9, 10, 11, 12, 5, 6], [5, 6], [5, 7, 8]]
    (failure,) = work.images.read_failures(1)
    assert failure == Failure(6, "/6.jpg", None, None, "a process died while this image was looked at, 2 times")
    run(expected, bad={2, 6})
    found = contents(work)
    assert found.pop("failures/shard-000001.jsonl") != contents(expected)["failures/shard-000001.jsonl"]
    assert found.items() < contents(expected).items(), "the same bytes for all other images"
    assert not list(work.root.glob("claims/*"))


def test_two_images_of_a_shard_that_kill(tmp_path):
    work = make_work(tmp_path, 8, 4, num_validation=4)
    assert len(run_until_it_ends(work, (), {5, 8})) == 6, "1 death side by side, then 2 of each"
    assert [failure.id for failure in work.images.read_failures(1)] == [5, 8]
    assert ShardPredictions.load(work.images.predictions(1)).image_id.tolist() == [6, 7]


def test_careful_work_gives_the_same_bytes(tmp_path):
    """After one death by accident."""
    work, expected = make_work(tmp_path / "a"), make_work(tmp_path / "b")
    context = multiprocessing.get_context("fork")
    process = context.Process(target=run, args=(work, None, {7}, 1.0, never, Deadly(tmp_path / "log", {6})))
    process.start()
    process.join(60)
    assert [report.task.shard for report in run(work, bad={7}, num=3)] == [2, 3, 4, 5, 1]
    run(expected, bad={7})
    assert contents(work) == contents(expected)


def test_killed_at_random_moments(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_worker, "_DEATHS", 99)  # two of so many may well hit the same image
    expected = make_work(tmp_path / "a", 60, 4)
    run(expected, bad={11})
    work = make_work(tmp_path / "b", 60, 4)
    context = multiprocessing.get_context("fork")  # nothing here uses threads, and a new Python takes seconds
    rng, kills = random.Random(0), 0
    for _ in range(40):
        workers = [
            context.Process(target=run, args=(work, Share(i, 2), {11}, 1.0, never, FakeLabeller(0.006)))
            for i in range(2)
        ]
        for worker in workers:
            worker.start()
        time.sleep(rng.uniform(0.0, 0.06))
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
            kills += worker.exitcode == -signal.SIGKILL
        if all(work.images.is_finished(shard) for shard in range(15)):
            break
    run(work, bad={11})
    found = contents(work)
    assert {name: found[name] for name in contents(expected)} == contents(expected)
    assert kills >= 4


class Noting(FakeLabeller):
    """Writes down which process labelled what, and is killed at its own `kill`-th image; the first waits for others."""

    def __init__(self, folder, barrier, kill=None):
        super().__init__(0.01)
        self.folder, self.barrier, self.kill, self.count = folder, barrier, kill, 0

    def label(self, pixels, image_id, size):
        self.count += 1
        if self.count == 1:
            self.barrier.wait(60)
        with open(self.folder / f"{os.getpid()}.log", "a") as file:
            file.write(f"{image_id}\n")
        if self.count == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().label(pixels, image_id, size)


def two_runs(tmp_path, kill):
    """Two whole runs on one folder, the first of which may be killed at its `kill`-th image: ids that each labelled."""
    work, logs = make_work(tmp_path / "work", 60, 4, num_validation=4), tmp_path / "logs"
    logs.mkdir()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    labellers = Noting(logs, barrier, kill), Noting(logs, barrier)
    runs = [context.Process(target=run, args=(work, None, (), 1.0, never, labeller)) for labeller in labellers]
    for process in runs:
        process.start()
    for process in runs:
        process.join(60)
    assert [process.exitcode for process in runs] == [-signal.SIGKILL if kill else 0, 0]
    expected = make_work(tmp_path / "expected", 60, 4, num_validation=4)
    run(expected)
    assert contents(work) == contents(expected)
    assert not list(work.root.glob("claims/*"))
    return [log.read_text().split() for log in sorted(logs.iterdir())]


def test_two_runs_share_a_folder_and_label_nothing_twice(tmp_path):
    first, second = two_runs(tmp_path, kill=None)
    assert len(first) + len(second) == 64 and min(len(first), len(second)) >= 4


def test_what_a_killed_run_had_claimed_is_not_lost(tmp_path):
    first, second = two_runs(tmp_path, kill=10)
    assert 64 < len(first) + len(second) <= 68  # the shard at which it was killed, again from its beginning
