"""Images a second of several processes with few threads each, against few processes with many threads."""

import multiprocessing
import time
from collections.abc import Callable
from statistics import median

import torch

from dense_det.aligned_table import aligned_table

NUM_ROUNDS = 3
# each holds a network of its own
MAX_PROCESSES = 8
# a loaded machine imports torch in half a minute; what takes longer than this hangs
SECONDS_TO_START = 180
# where every process compiles its network, too, all of them at once
SECONDS_TO_COMPILE = 1800

Setting = tuple[int, int]  # (processes, threads of each)


def settings_for(num_cores: int) -> list[Setting]:
    """One process with one thread; then all cores, in every number of processes that leaves none idle."""
    counts = [count for count in range(1, min(num_cores, MAX_PROCESSES) + 1) if num_cores % count == 0]
    return list(dict.fromkeys([(1, 1), *((count, num_cores // count) for count in counts)]))


def images_per_second(
    make_run: Callable[[], Callable[[], object]],
    settings: list[Setting],
    seconds: float,
    seconds_to_start: float = SECONDS_TO_START,
) -> dict[Setting, float | None]:
    """The median over NUM_ROUNDS of the images a second of all processes of a setting, all settings in turns.

    Args:
        make_run: picklable; called once in each process, it gives the function that detects on one image.
        seconds: for all windows of all settings together; a window is one image at least.
        seconds_to_start: until all processes are ready; as long again for an image with another number of threads,
            which is not timed: torch.compile compiles anew.

    Returns:
        None for a setting that did not answer in time, and for all where the processes do not start in time.
    """
    window = seconds / (NUM_ROUNDS * len(settings))
    context = multiprocessing.get_context("spawn")
    workers = [_Worker(context, make_run) for _ in range(max(processes for processes, _ in settings))]
    rates: dict[Setting, list[float]] = {setting: [] for setting in settings}
    try:
        end = time.monotonic() + seconds_to_start
        alive = all(worker.answer(end - time.monotonic()) == "ready" for worker in workers)
        for _ in range(NUM_ROUNDS):
            for setting in settings:
                rate = _round(workers, setting, window, seconds_to_start) if alive else None
                if rate is None:  # the others may be in the middle of something: nothing more is to be compared
                    alive = False
                else:
                    rates[setting].append(rate)
        return {setting: median(values) if values else None for setting, values in rates.items()}
    finally:
        for worker in workers:
            worker.stop()


def throughput_table(rates: dict[str, dict[Setting, float | None]]) -> str:
    """Of each detector a row: images a second of each setting, and how many times the first's."""
    settings = next(iter(rates.values()))
    header = ["images a second", *(f"{processes} x {threads}" for processes, threads in settings)]
    cells = []
    for name, row in rates.items():
        first = next(iter(row.values()))
        cells.append([name, *row.values()])
        cells.append(["", *(None if not first or rate is None else f"x {rate / first:.2f}" for rate in row.values())])
    return aligned_table(header, cells)


class _Worker:
    """A process that runs when it is told to."""

    def __init__(self, context, make_run):
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, make_run), daemon=True)
        self.process.start()
        theirs.close()  # so that the end of the process ends the waiting for it

    def answer(self, seconds: float):
        """What it says within so many seconds; None: nothing."""
        try:
            return self.pipe.recv() if self.pipe.poll(max(seconds, 0)) else None
        except EOFError:
            return None

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _round(workers: list[_Worker], setting: Setting, window: float, patience: float) -> float | None:
    processes, threads = setting
    for worker in workers[:processes]:
        worker.pipe.send((threads, window))
    end = time.monotonic() + 10 * window + patience
    answers = [worker.answer(end - time.monotonic()) for worker in workers[:processes]]
    return None if None in answers else sum(answers)


def _work(pipe, make_run) -> None:
    run = make_run()
    run()
    pipe.send("ready")
    warm = set()
    while True:
        try:
            threads, window = pipe.recv()
        except EOFError:
            return
        torch.set_num_threads(threads)
        if threads not in warm:
            run()
            warm.add(threads)
        start, images = time.perf_counter(), 0
        while not images or time.perf_counter() - start < window:
            run()
            images += 1
        pipe.send(images / (time.perf_counter() - start))
