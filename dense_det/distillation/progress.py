"""How far a run is, and when it will end: shards, pace, time left, failures."""

import math
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dense_det.distillation.image_name import printable
from dense_det.distillation.shard_worker import read_seconds
from dense_det.distillation.share import Task
from dense_det.distillation.work_folder import WorkFolder

_RECENT = 32  # shards: the pace is theirs, whatever was slower before
_PAUSE_SECONDS = 60  # in which no shard was at work: more than a start takes


@dataclass(frozen=True)
class Progress:
    """Counts of a work folder.

    Args:
        seconds_per_image: of one process, over all finished shards; None before the first.
        images_per_second: of all workers together, over the latest shards since a pause; None before the first.
        idle_seconds: since the last shard was finished.
        failures: planned images without an answer, number by reason.
        validation_failures: of validation images, number by reason.
        bad: files that plan left out, number by reason.
    """

    shards: int
    shards_done: int
    images: int
    images_done: int
    validation_shards: int
    validation_shards_done: int
    seconds_per_image: float | None
    images_per_second: float | None
    idle_seconds: float
    failures: Counter
    validation_failures: Counter
    bad: Counter

    @property
    def seconds_left(self) -> float | None:
        return (self.images - self.images_done) / self.images_per_second if self.images_per_second else None

    def __str__(self) -> str:
        failed = sum(self.failures.values())
        lines = [f"shards: {self.shards_done} of {self.shards} done, {self.images_done} of {self.images} images"]
        if self.validation_shards:
            lines.append(f"validation: {self.validation_shards_done} of {self.validation_shards} shards done")
        if self.seconds_per_image:
            lines.append(f"rate: {self.seconds_per_image:.3f} s an image and process")
        if self.shards_done < self.shards and self.seconds_left is not None:
            lines[-1] += f", {self.images_per_second:.2f} images/s of all workers together"
            lines.append(f"time left: {duration(self.seconds_left)} at this pace")
            lines.append(f"last shard finished {duration(self.idle_seconds)} ago")
        share = f" ({failed / max(1, self.images_done):.1%})" if failed else ""
        lines.append(f"failures: {failed}{share}, listed in failures.jsonl")
        lines += _most_common(self.failures)
        others = {"validation failures": self.validation_failures, "bad files that plan left out": self.bad}
        for name, reasons in others.items():
            if reasons:
                lines += [f"{name}: {reasons.total()}, listed there, too", *_most_common(reasons)]
        return "\n".join(lines)


def _most_common(reasons: Counter) -> list[str]:
    return [f"  {count} {printable(reason)}" for reason, count in reasons.most_common(10)]


def read_progress(work: WorkFolder) -> Progress:
    """Count what is there; also writes failures.jsonl anew.

    Raises:
        ValueError: no plan.
    """
    plan = work.read_plan()
    done = [shard for shard in range(plan.num_shards) if work.images.is_finished(shard)]
    work.join_failures(plan)
    failures, validation_failures, bad = Counter(), Counter(), Counter()
    for failure in work.read_failures(plan):
        kind = bad if failure.id is None else validation_failures if failure.validation else failures
        kind[failure.reason] += 1
    images_done = sum(Task(False, shard).num_images(plan) for shard in done)
    ends = [(os.stat(work.images.predictions(shard)).st_mtime, work.images.seconds(shard)) for shard in done]
    timed = _timed(sorted(ends))
    seconds, images = sum(row[0] for _, row in timed), sum(row[1] for _, row in timed)
    validation = [shard for shard in range(plan.num_validation_shards) if work.validation.is_finished(shard)]
    return Progress(
        shards=plan.num_shards,
        shards_done=len(done),
        images=plan.num_images,
        images_done=images_done,
        validation_shards=plan.num_validation_shards,
        validation_shards_done=len(validation),
        seconds_per_image=seconds / images if images else None,
        images_per_second=_pace(timed[-_RECENT:]),
        idle_seconds=max(0.0, time.time() - max(ends)[0]) if ends else 0.0,
        failures=failures,
        validation_failures=validation_failures,
        bad=bad,
    )


def _timed(ends: list[tuple[float, Path]]) -> list[tuple[float, tuple[float, int]]]:
    """(end, (seconds, images)) of shards that ended at `ends` (since the epoch), by the files of their seconds."""
    return [(end, row) for end, path in ends if (row := read_seconds(path))]


def _pace(timed: list[tuple[float, tuple[float, int]]]) -> float | None:
    """Images a second of shards by rising end, from the first one's start; of those since the last pause."""
    start, images = math.inf, 0
    for end, (seconds, of_shard) in reversed(timed):
        if end < start - _PAUSE_SECONDS and images:
            break
        start, images = min(start, end - seconds), images + of_shard
    span = timed[-1][0] - start if timed else 0
    return images / span if span > 0 else None


class Outlook:
    """When a run will end: from the shards of its `tasks` that were finished since it began, by whatever run.

    Args:
        num_workers: of this run; before each has finished a shard, that of the first is taken for all.
    """

    def __init__(self, work: WorkFolder, tasks: list[Task], num_workers: int):
        self.work, self.num_workers, self.plan = work, num_workers, work.read_plan()
        self.tasks = [task for task in tasks if not task.shards(work).is_finished(task.shard)]

    def seconds_left(self) -> float | None:
        """None before the first shard is finished."""
        done = [task for task in self.tasks if task.shards(self.work).is_finished(task.shard)]
        left = sum(task.num_images(self.plan) for task in self.tasks) - sum(t.num_images(self.plan) for t in done)
        ends = [(os.stat(task.shards(self.work).predictions(task.shard)).st_mtime, task) for task in done]
        timed = _timed(sorted((end, task.shards(self.work).seconds(task.shard)) for end, task in ends)[-_RECENT:])
        seconds, images = (sum(column) for column in zip(*(row for _, row in timed))) if timed else (0, 0)
        if not images or not seconds:
            return None
        return left / max(self.num_workers * images / seconds, _pace(timed) or 0)

    def __str__(self) -> str:
        """ "; about 2 min 05 s left, until 14:32", or nothing where nothing is known or left."""
        if not (left := self.seconds_left()):
            return ""
        now, end = time.localtime(), time.localtime(time.time() + left)
        clock = "%H:%M" if now[:3] == end[:3] else "%a %d %b %H:%M"
        return f"; about {duration(left)} left, until {time.strftime(clock, end)}"


def duration(seconds: float) -> str:
    """3725 -> "1 h 02 min"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
