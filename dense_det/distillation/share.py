"""Which shards a worker takes: r, r + w, r + 2w, ..., by the command line, torchrun's variables or a SLURM array's."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dense_det.distillation.claim import claim_numbers
from dense_det.distillation.work_folder import Plan, Shards, WorkFolder


@dataclass(frozen=True, slots=True)
class Task:
    """One shard, of the images to label or of the validation images."""

    validation: bool
    shard: int

    def __str__(self) -> str:
        return f"validation shard {self.shard}" if self.validation else f"shard {self.shard}"

    def shards(self, work: WorkFolder) -> Shards:
        return work.validation if self.validation else work.images

    def num_images(self, plan: Plan) -> int:
        total = plan.validation["num_images"] if self.validation else plan.num_images
        return min(plan.shard_size, total - self.shard * plan.shard_size)


@dataclass(frozen=True, slots=True)
class Share:
    """Worker `index` of `count`."""

    index: int
    count: int

    def __post_init__(self):
        if not 0 <= self.index < self.count:
            raise ValueError(f"worker {self.index} of {self.count}: workers are numbered from 0 to one less than all")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def tasks(self, plan: Plan) -> list[Task]:
        """Validation first: it is small, and `select` can be tried with it."""
        validation = range(self.index, plan.num_validation_shards, self.count)
        images = range(self.index, plan.num_shards, self.count)
        return [Task(True, shard) for shard in validation] + [Task(False, shard) for shard in images]


def suspects_last(work: WorkFolder, tasks: Iterable[Task]) -> Iterator[Task]:
    """Those that are not finished, in order; behind them, fewest claims first, those that somebody has claimed, or left
    claimed as he died or gave up: whatever ends a worker at a shard, all others are labelled before."""
    suspects = []
    for task in tasks:
        shards = task.shards(work)
        if shards.is_finished(task.shard):
            continue
        if claims := claim_numbers(shards, task.shard):
            suspects.append((len(claims), task))
        else:
            yield task
    for _, task in sorted(suspects, key=lambda suspect: suspect[0]):
        if not task.shards(work).is_finished(task.shard):
            yield task


def find_share(text: str | None, environment: Mapping[str, str]) -> Share:
    """From "R/W" of the command line; else RANK and WORLD_SIZE (torchrun); else a SLURM array's variables; else all.

    Raises:
        ValueError: another form, or array numbers that are not evenly spaced.
    """
    if text is not None:
        parts = re.fullmatch(r"(\d+)/(\d+)", text)
        if not parts:
            raise ValueError(f"--worker is R/W, such as 0/4 to 3/4, got {text!r}")
        return Share(int(parts[1]), int(parts[2]))
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return Share(int(environment["RANK"]), int(environment["WORLD_SIZE"]))
    if "SLURM_ARRAY_TASK_ID" in environment:
        number, count = int(environment["SLURM_ARRAY_TASK_ID"]), int(environment["SLURM_ARRAY_TASK_COUNT"])
        first, step = (int(environment.get(f"SLURM_ARRAY_TASK_{key}", d)) for key, d in (("MIN", 0), ("STEP", 1)))
        index, rest = divmod(number - first, step or 1)
        if rest or not 0 <= index < count:
            raise ValueError(f"SLURM array task {number} of {count}: not evenly spaced; give --worker R/W yourself")
        return Share(index, count)
    return Share(0, 1)
