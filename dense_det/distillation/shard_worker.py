"""A worker: labels shard after shard; what is finished stays, whatever happens next.

A shard at which a process died comes last, and its images one by one: an image at which _DEATHS died is a failure. One
that was given up, for want of memory or since the teacher failed on all of it, comes last, too.

A shard's files hold the same bytes whoever writes them, and each appears whole or not at all, its predictions last:
so a shard is finished or it is not there, and two workers on one shard do no harm. A claim spares them the work.
"""

import functools
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dense_det.distillation.claim import Claim, claimed
from dense_det.distillation.failure_budget import FailureBudget, TooManyFailures
from dense_det.distillation.image_reader import BadImage, PassingFault
from dense_det.distillation.lanes import Lanes
from dense_det.distillation.shard_file import ShardPredictions
from dense_det.distillation.share import Task, suspects_last
from dense_det.distillation.work_folder import Failure, InputImage, Plan, WorkFolder, write_json, write_lines

logger = logging.getLogger(__name__)

# a shard with so many images that all fail, for a reason beyond each image, tells of a broken teacher or a lost disk
_SUSPICIOUS = 8
# one may be chance: a machine that was switched off, memory that another process took
_DEATHS = 2
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What labelling a shard came to."""

    task: Task
    images: int
    failures: int
    boxes: int
    seconds: float

    def __str__(self) -> str:
        failed = f", {self.failures} failed" if self.failures else ""
        return (
            f"{self.task}: {self.images} images, {self.boxes} boxes{failed}, "
            f"{self.seconds / max(1, self.images):.3f} s an image"
        )


def label_share(
    work: WorkFolder, plan: Plan, tasks: Iterable[Task], lanes: Lanes, max_failure_rate: float, stop: Callable
) -> Iterator[ShardReport]:
    """Label the shards of `tasks` that are not finished, suspects last; memory holds one of them at a time.

    Shards that another run has claimed are left to it. In the end it waits for them, and takes over those whose
    worker died: so all of `tasks` are finished when it ends, unless `stop` ended it.

    Args:
        max_failure_rate: share of all images that may fail, see FailureBudget.
        stop: asked before each image; True ends the work without finishing the shard.

    Raises:
        TooManyFailures: with the reasons of the last failures.
        OSError: a full disk, no memory, a GPU that gave up, among others: it may be well in an hour; nothing finished
            is lost.
        ValueError: the teacher failed on a whole shard that could be read.
    """
    yield from label_tasks(work, tasks, lanes, FailureBudget(work, plan, max_failure_rate), stop)


def label_tasks(
    work: WorkFolder, tasks: Iterable[Task], lanes: Lanes, budget: FailureBudget, stop: Callable
) -> Iterator[ShardReport]:
    """As label_share, with the `budget` of a worker that is given its tasks little by little."""
    told = False
    while tasks:
        elsewhere = []
        for task in suspects_last(work, tasks):
            if stop():
                return
            with claimed(task.shards(work), task.shard) as claim:
                if claim is None:
                    elsewhere.append(task)
                    continue
                report = label_shard(work, task, lanes, budget, stop, claim)
            if report is not None:
                yield report
        if elsewhere and not told:
            told = True
            logger.info(
                "%d shards are claimed by other runs: waiting for them (WORK/claims says whose)", len(elsewhere)
            )
        if elsewhere:
            time.sleep(_POLL_SECONDS)
        tasks = elsewhere


def label_shard(
    work: WorkFolder, task: Task, lanes: Lanes, budget: FailureBudget, stop: Callable, claim: Claim
) -> ShardReport | None:
    """Label one shard, which `claim` is of; None when it was finished already, or `stop()` came before its end."""
    shards = task.shards(work)
    if shards.is_finished(task.shard):
        return None
    start = time.perf_counter()
    predictions, failures, num_faults, fault = [], [], 0, None
    if claim.deaths:
        logger.warning("%s: processes that died at it: %d; its images are looked at one by one", task, claim.deaths)
    images = shards.read_inputs(task.shard)
    for image, label in _one_by_one(lanes, images, claim) if claim.deaths else lanes.label_all(images):
        if stop():
            return None
        claim.touch()
        try:
            predictions.append(label())
        except BadImage as error:
            if isinstance(error, PassingFault):
                claim.give_up()
                raise _of_the_machine(image, str(error)) from error
            failures.append(_failure(image, str(error)))
        except Exception as error:  # one odd image shall not end the run
            if _is_the_machine_s(error):
                claim.give_up()
                raise _of_the_machine(image, f"{type(error).__name__}: {error}") from error
            logger.warning("the teacher failed on image %d, %s", image.id, image.file_name, exc_info=True)
            failures.append(_failure(image, f"the teacher failed: {type(error).__name__}: {error}"))
            num_faults, fault = num_faults + 1, error
    if fault and not predictions:
        _require_a_teacher(task, fault, num_faults, len(failures), claim, is_first=not shards.finished())
    _require_few(task, failures, len(predictions), budget, claim)
    joined = ShardPredictions.join(predictions)
    report = ShardReport(
        task, len(predictions), len(failures), len(joined.scores), round(time.perf_counter() - start, 3)
    )
    if shards.is_finished(task.shard):  # somebody else was faster, with the same bytes
        return None
    _write(shards.failures(task.shard), lambda path: write_lines(path, failures))
    seconds = {"seconds": report.seconds, "images": report.images}
    _write(shards.seconds(task.shard), lambda path: write_json(path, seconds))
    _write(shards.predictions(task.shard), joined.save)
    return report


def _is_the_machine_s(error: Exception) -> bool:
    """Whether an error tells of memory or of the GPU; torch and onnxruntime have plain classes for that."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(word in text for word in ("memory", "bad_alloc", "cuda"))


def _of_the_machine(image: InputImage, reason: str) -> OSError:
    return OSError(
        f"{image.file_name}: {reason}: the machine's fault, not the image's. Mend it (memory: fewer --num-workers, "
        "smaller --views) and run the same again: finished shards stay, and this one comes last"
    )


def _failure(image: InputImage, reason: str) -> Failure:
    return Failure(image.id, image.file_name, image.member, image.page, reason)


def _one_by_one(lanes: Lanes, images: Iterable[InputImage], claim: Claim) -> Iterator[tuple[InputImage, Callable]]:
    """As Lanes.label_all, with a note in the claim of which image it is; those at which _DEATHS died are bad ones."""
    for image in images:
        if (times := claim.deaths_at[image.id]) >= _DEATHS:
            yield image, functools.partial(_refuse, times)
        else:
            claim.look_at(image.id)
            yield from lanes.label_all([image])
    claim.look_at(None)


def _refuse(times: int):
    raise BadImage(f"a process died while this image was looked at, {times} times")


def _require_a_teacher(
    task: Task, fault: Exception, num_faults: int, num_images: int, claim: Claim, is_first: bool
) -> None:
    """Of a shard of which no image could be labelled, the last for its `fault`. Bad files are no teacher's fault, and a
    few odd images are none, unless they are the whole shard and no other one is finished."""
    if num_faults >= _SUSPICIOUS or (is_first and num_faults == num_images):
        claim.give_up()
        read = "" if num_faults == num_images else " that could be read"
        raise ValueError(
            f"{task}: the teacher failed on all {num_faults} images{read}, the last time with {type(fault).__name__}: "
            f"{fault}. The shard is not finished and comes last the next time: mend the teacher (its config, weights "
            "or --views) and run again, or plan anew without these images"
        ) from fault


def _require_few(task: Task, failures: list[Failure], num_labelled: int, budget: FailureBudget, claim: Claim) -> None:
    # two workers may have overdrawn together what both saw as left: a sound shard is no worse for that
    if not failures:
        return
    examples = "\n".join(f"  {failure.file_name}: {failure.reason}" for failure in failures[:5])
    if len(failures) > budget.left():
        claim.give_up()
        raise TooManyFailures(
            f"{task}: {len(failures)} of {num_labelled + len(failures)} images cannot be labelled, more than "
            f"--max-failure-rate allows beside those of the other shards. Is the disk there?\n{examples}\n"
            "The shard is not finished and comes last the next time: mend it and run again, or raise "
            "--max-failure-rate."
        )
    # else half of the images might be written off before the rate is reached
    is_suspicious = budget.needs_disk and not num_labelled and len(failures) >= _SUSPICIOUS
    if is_suspicious and all(_is_away(failure.file_name) for failure in failures):
        claim.give_up()
        raise TooManyFailures(
            f"{task}: none of its {len(failures)} images can be read, and their folders are missing, empty or cannot "
            f"be listed. Is the disk there?\n{examples}\n"
            "The shard is not finished and comes last the next time: bring the files back and run again. If they are "
            "gone for good: run goes on without them with --max-failure-rate 1, predict wants another --out."
        )


def _is_away(file_name: str) -> bool:
    """Whether there is nothing in a file's folder, as where a disk is not mounted."""
    try:
        with os.scandir(os.path.dirname(file_name) or ".") as entries:
            return next(entries, None) is None
    except OSError:
        return True


def _write(path: Path, write: Callable) -> None:
    """Write a file of a finished shard, and remove what a killed process left beside it."""
    try:
        write(path)
    except FileNotFoundError:
        # another worker finished the same file, and swept ours away as left over
        if not path.exists():
            raise
    for left_over in path.parent.glob(f".{path.name}.*.tmp"):
        left_over.unlink(missing_ok=True)


def never() -> bool:
    """As `stop`: go on to the end."""
    return False


def read_seconds(path) -> tuple[float, int] | None:
    """(seconds, images) of a shard; None where the file is missing."""
    try:
        tree = json.loads(Path(path).read_text(encoding="utf-8"))
        return float(tree["seconds"]), int(tree["images"])
    except FileNotFoundError:
        return None
