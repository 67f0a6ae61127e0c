"""The backends of a run: this process, several of this machine, or Ray's tasks."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

import torch

from dense_det.distillation.failure_budget import FailureBudget, TooManyFailures
from dense_det.distillation.image_reader import ImageReader
from dense_det.distillation.lanes import Lanes
from dense_det.distillation.progress import Outlook
from dense_det.distillation.shard_worker import label_share, label_tasks, never
from dense_det.distillation.share import Share, Task, suspects_last
from dense_det.distillation.work_folder import WorkFolder
from dense_det.environment import num_cpus

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_TELL_SECONDS = 10
_END_SECONDS = 30  # more than an image mostly takes
_RAY_RETRIES = 3  # a shard with one image that kills needs all: see shard_worker
_HOPELESS = 8  # shards that fail one after the other: no accident


def num_cores() -> int:
    """How many images at a time pay: one a core, and one alone where a GPU does the work."""
    if torch.cuda.is_available():
        return 1
    return num_cpus()


def run_workers(work: WorkFolder, open_labeller: Callable, share: Share, num: int, rate: float) -> Iterator[str]:
    """Label a share on `num` threads: of a process each or, where there are fewer shards, of several lanes in each.

    What is found does not depend on `num`: every image is looked at on one thread.

    Args:
        open_labeller: () -> labeller, picklable.
        rate: share of all images that may fail, see FailureBudget.

    Raises:
        ChildProcessError: see run_processes; and what label_share raises, of a single process.
    """
    processes = max(1, min(num, len(_unfinished(work, share.tasks(work.read_plan())))))
    if processes == 1:
        return run_here(work, open_labeller, share, rate, num)
    lanes = [num // processes + (index < num % processes) for index in range(processes)]
    return run_processes(work, open_labeller, share, rate, lanes)


def run_here(work: WorkFolder, open_labeller: Callable, share: Share, rate: float, lanes: int = 1) -> Iterator[str]:
    """Label a share in this process, `lanes` images at a time."""
    tasks = share.tasks(work.read_plan())
    outlook = Outlook(work, tasks, 1)
    for report in _work(work, open_labeller, tasks, rate, lanes, never):
        yield f"{report}{outlook}"


def run_processes(
    work: WorkFolder, open_labeller: Callable, share: Share, rate: float, lanes: list[int]
) -> Iterator[str]:
    """Label a share in new processes, of so many `lanes` each. One that dies does not take the others along.

    Raises:
        ChildProcessError: some died or gave up; after the others have ended.
    """
    context = multiprocessing.get_context("spawn")
    tasks = share.tasks(work.read_plan())
    outlook = Outlook(work, tasks, len(lanes))
    # what is left is dealt, and not the share: a worker that ended early may have left all of its own
    left = _unfinished(work, tasks)
    hands = [left[index :: len(lanes)] for index in range(len(lanes))]
    processes = [
        context.Process(target=_child, args=(str(work.root), open_labeller, hand, rate, count, os.getpid()))
        for hand, count in zip(hands, lanes, strict=True)
    ]
    for process in processes:
        process.start()
    try:
        told, last = -1, 0.0
        while any(process.is_alive() for process in processes):
            time.sleep(_POLL_SECONDS)
            if time.monotonic() - last > _TELL_SECONDS:
                last, done = time.monotonic(), _num_finished(work, tasks)
                if done != told:
                    told = done
                    yield f"{done} of {len(tasks)} shards done{outlook}"
    finally:
        _end([process for process in processes if process.is_alive()])  # an exception or Ctrl-C here
    yield f"{_num_finished(work, tasks)} of {len(tasks)} shards done"
    failed = [f"worker {n}/{len(hands)} {_fate(p.exitcode)}" for n, p in enumerate(processes) if p.exitcode]
    if failed:
        raise ChildProcessError(
            f"{', '.join(failed)}; {len(hands) - len(failed)} of {len(hands)} workers ended well. "
            "Finished shards stay; run the same command again for the others."
        )


def run_ray(work: WorkFolder, open_labeller: Callable, share: Share, num: int | None, rate: float) -> Iterator[str]:
    """Label a share as Ray tasks, one a shard, on this machine or the cluster of $RAY_ADDRESS.

    A task whose worker dies is tried again on another. A shard that fails does not take the others along, but where
    too many images fail, or _HOPELESS shards one after the other, no more are begun. All machines must see the work
    folder and the images at the same paths.

    Args:
        num: tasks in flight at most, on a cluster, too; None: two for each of its CPUs, so that none waits.

    Raises:
        ImportError: Ray is not installed.
        ChildProcessError: shards failed; after the others have ended.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("--backend ray needs Ray: pip install 'dense_det[ray]'") from error
    address = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else a cluster that starts here reports to Ray's makers
    local = {} if address else {"num_cpus": num, "include_dashboard": False}
    ray.init(address=address, ignore_reinit_error=True, logging_level=logging.WARNING, **local)
    try:
        tasks = _unfinished(work, share.tasks(work.read_plan()))
        num_cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        outlook = Outlook(work, tasks, min(num_cpus, num or num_cpus, max(1, len(tasks))))
        remote = ray.remote(num_cpus=1, max_retries=_RAY_RETRIES)(_ray_task)
        shared = ray.put(open_labeller)
        waiting, remaining, ahead = {}, suspects_last(work, tasks), num or 2 * num_cpus
        lost, in_a_row = [], 0
        while True:
            while len(waiting) < ahead and (task := next(remaining, None)) is not None:
                waiting[remote.remote(str(work.root), task, shared, rate)] = task
            if not waiting:
                break
            ready = ray.wait(list(waiting))[0][0]
            task = waiting.pop(ready)
            try:
                report = ray.get(ready)
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None)  # of an error of the task itself; None: its workers died
                lost.append(f"{task} ({cause or f'given up after {_RAY_RETRIES} retries: {type(error).__name__}'})")
                logger.error("%s: %s", task, cause or error)
                in_a_row += 1
                if isinstance(cause, TooManyFailures) or in_a_row == _HOPELESS:
                    remaining = iter(())
                continue
            in_a_row = 0
            if report is not None:
                yield f"{report}{outlook}"
    finally:
        ray.shutdown()
    if lost:
        raise ChildProcessError(
            f"failed: {'; '.join(lost)}. {_num_finished(work, tasks)} of {len(tasks)} shards ended well. "
            "Finished shards stay; run the same command again for the others."
        )


# of a Ray worker process, by work folder: teachers are loaded once, not for each shard
_opened: dict[str, tuple] = {}


def _ray_task(root: str, task: Task, open_labeller: Callable, rate: float):
    work = WorkFolder(root)
    if root not in _opened:
        torch.set_num_threads(1)
        labeller = open_labeller()
        work.settle_manifest(labeller.manifest())
        lanes = Lanes([labeller], ImageReader(labeller.least_edge))
        _opened[root] = lanes, FailureBudget(work, work.read_plan(), rate)
    return next(label_tasks(work, [task], *_opened[root], never), None)


def _work(work: WorkFolder, open_labeller: Callable, tasks: list[Task], rate: float, lanes: int, stop: Callable):
    torch.set_num_threads(1)
    labellers = [open_labeller() for _ in range(lanes)]
    for labeller in labellers:
        work.settle_manifest(labeller.manifest())
    plan, reader = work.read_plan(), ImageReader(labellers[0].least_edge)
    try:
        yield from label_share(work, plan, tasks, Lanes(labellers, reader), rate, stop)
    finally:
        reader.close()


def _child(root: str, open_labeller: Callable, tasks: list[Task], rate: float, lanes: int, parent: int) -> None:
    """The main function of a new process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent ends its children
    signal.signal(signal.SIGTERM, _leave)
    try:
        for report in _work(WorkFolder(root), open_labeller, tasks, rate, lanes, lambda: os.getppid() != parent):
            logger.debug("%s", report)
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        sys.exit(2)


def _leave(number: int, frame) -> None:
    """End as an exception does: the claim is released, or the shard at hand would be thought to kill its workers."""
    signal.signal(number, signal.SIG_DFL)  # the second time at once
    sys.exit(128 + number)


def _end(processes: list) -> None:
    """Let each end its image; one that hangs is killed."""
    for process in processes:
        process.terminate()
    end = time.monotonic() + _END_SECONDS
    for process in processes:
        process.join(max(0, end - time.monotonic()))
        process.kill()


def _unfinished(work: WorkFolder, tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if not task.shards(work).is_finished(task.shard)]


def _num_finished(work: WorkFolder, tasks: list[Task]) -> int:
    return len(tasks) - len(_unfinished(work, tasks))


def _fate(exitcode: int) -> str:
    return f"was killed by signal {-exitcode}" if exitcode < 0 else f"ended with code {exitcode}"
