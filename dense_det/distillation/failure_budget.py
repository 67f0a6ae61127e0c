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
        self._work, self._open = work, set(range(plan.num_shards))
        self._left = math.inf if rate >= 1 else int(rate * plan.num_images)

    def left(self) -> float:
        """Negative when finished shards hold too many already, infinite at a rate of 1; reads each of them once."""
        if self._left < math.inf:
            finished = self._open & self._work.images.finished()
            self._left -= sum(sum(1 for _ in self._work.images.read_failures(shard)) for shard in finished)
            self._open -= finished
        return self._left
