"""A worker: labels shard after shard; what is finished stays, whatever happens next.

A shard's files hold the same bytes whoever writes them, and each appears whole or not at all, its predictions last:
so a shard is finished or it is not there, and two workers on one shard do no harm. A claim spares them the work.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dense_det.distillation.claim import claimed
from dense_det.distillation.failure_budget import FailureBudget
from dense_det.distillation.image_reader import BadImage
from dense_det.distillation.lanes import Lanes
from dense_det.distillation.shard_file import ShardPredictions
from dense_det.distillation.share import Task
from dense_det.distillation.work_folder import Failure, InputImage, Plan, WorkFolder, write_json, write_lines

logger = logging.getLogger(__name__)

# a whole shard of this size that cannot be read is a disk that is not there, not so many bad files
_SUSPICIOUS = 8
_POLL_SECONDS = 0.5


class TooManyFailures(ValueError):
    """More images cannot be labelled than --max-failure-rate allows; the shard at hand is not finished."""


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What labelling a shard came to."""

    task: Task
    images: int
    failures: int
    boxes: int
    seconds: float

    def __str__(self) -> str:
        where = "validation shard" if self.task.validation else "shard"
        failed = f", {self.failures} failed" if self.failures else ""
        return (
            f"{where} {self.task.shard}: {self.images} images, {self.boxes} boxes{failed}, "
            f"{self.seconds / max(1, self.images):.3f} s an image"
        )


def label_share(
    work: WorkFolder, plan: Plan, tasks: Iterable[Task], lanes: Lanes, max_failure_rate: float, stop: Callable
) -> Iterator[ShardReport]:
    """Label the shards of `tasks` that are not finished; memory holds one of them at a time.

    Shards that another run has claimed are left to it. In the end it waits for them, and takes over those whose
    worker died: so all of `tasks` are finished when it ends, unless `stop` ended it.

    Args:
        max_failure_rate: share of the plan's images that may fail.
        stop: asked before each image; True ends the work without finishing the shard.

    Raises:
        TooManyFailures: with the reasons of the last failures.
        OSError: a full disk, no memory, a GPU that gave up, among others: it may be well in an hour; nothing finished
            is lost.
        ValueError: the teacher failed on a whole shard.
    """
    yield from label_tasks(work, tasks, lanes, FailureBudget(work, plan, max_failure_rate), stop)


def label_tasks(
    work: WorkFolder, tasks: Iterable[Task], lanes: Lanes, budget: FailureBudget, stop: Callable
) -> Iterator[ShardReport]:
    """As label_share, with the `budget` of a worker that is given its tasks little by little."""
    told = False
    while tasks:
        elsewhere = []
        for task in tasks:
            if stop():
                return
            if task.shards(work).is_finished(task.shard):
                continue
            with claimed(task.shards(work), task.shard) as claim:
                if claim is None:
                    elsewhere.append(task)
                    continue
                report = label_shard(work, task, lanes, budget, stop, claim.touch)
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
    work: WorkFolder, task: Task, lanes: Lanes, budget: FailureBudget, stop: Callable, touch: Callable
) -> ShardReport | None:
    """Label one shard; None when it was finished already, or `stop()` came before its end; `touch()` every image."""
    shards = task.shards(work)
    if shards.is_finished(task.shard):
        return None
    start = time.perf_counter()
    predictions, failures, fault = [], [], None
    for image, label in lanes.label_all(shards.read_inputs(task.shard)):
        if stop():
            return None
        touch()
        try:
            predictions.append(label())
        except BadImage as error:
            failures.append(_failure(image, str(error)))
        except Exception as error:  # one odd image shall not end the run
            if _is_the_machine_s(error):
                raise OSError(
                    f"{image.file_name}: {type(error).__name__}: {error}: the machine's fault, not the image's. Free "
                    "memory (fewer --num-workers, smaller --views) and run the same again; finished shards stay"
                ) from error
            logger.warning("the teacher failed on image %d, %s", image.id, image.file_name, exc_info=True)
            failures.append(_failure(image, f"the teacher failed: {type(error).__name__}: {error}"))
            fault = error
    if fault and not predictions and (len(failures) >= _SUSPICIOUS or not shards.finished()):  # not one odd image
        raise ValueError(
            f"the teacher failed on all {len(failures)} images of a shard, the last time with {type(fault).__name__}: "
            f"{fault}; the shard is not finished"
        ) from fault
    _require_few(failures, len(predictions), budget.left())
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


def _failure(image: InputImage, reason: str) -> Failure:
    return Failure(image.id, image.file_name, image.member, image.page, reason)


def _require_few(failures: list[Failure], num_labelled: int, failures_left: float) -> None:
    suspicious = not num_labelled and len(failures) >= _SUSPICIOUS and failures_left < math.inf
    # two workers may have overdrawn together what both saw as left: a sound shard is no worse for that
    if not failures or (len(failures) <= failures_left and not suspicious):
        return
    examples = "\n".join(f"  {failure.file_name}: {failure.reason}" for failure in failures[:5])
    raise TooManyFailures(
        f"{len(failures)} of {num_labelled + len(failures)} images of a shard cannot be labelled, more than "
        f"--max-failure-rate allows beside those of the other shards. Is the disk there?\n{examples}\n"
        "The shard is not finished: mend it and run again, or raise --max-failure-rate."
    )


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
