"""How many more images of a plan may fail."""

import math

from dense_det.distillation.work_folder import Plan, WorkFolder


class FailureBudget:
    """What --max-failure-rate leaves, counted over the finished shards of all workers: were each to count its own, many
    would end well on a disk that is not there.

    Args:
        rate: share of the plan's images that may fail: cannot be read, or the teacher fails on them.
    """

    def __init__(self, work: WorkFolder, plan: Plan, rate: float):
        self._open = [
            (work.images, set(range(plan.num_shards))),
            (work.validation, set(range(plan.num_validation_shards))),
        ]
        self._left = math.inf if rate >= 1 else int(rate * plan.num_images)

    def left(self) -> float:
        """Negative when finished shards hold too many already, infinite at a rate of 1; reads each of them once."""
        for shards, unread in self._open if self._left < math.inf else ():
            finished = unread & shards.finished()
            self._left -= sum(sum(1 for _ in shards.read_failures(shard)) for shard in finished)
            unread -= finished
        return self._left
