"""How many more images of a plan may fail; the bad files that it left out are among those that have."""

import math

from dense_det.distillation.work_folder import Plan, WorkFolder


class TooManyFailures(ValueError):
    """More images cannot be labelled than --max-failure-rate allows, or a disk is not there; the shard at hand is not
    finished."""


class FailureBudget:
    """What --max-failure-rate leaves, counted over the finished shards of all workers: were each to count its own, many
    would end well on a disk that is not there.

    Args:
        rate: share of all images, those of validation and bad files among them, that may fail: cannot be read, or the
            teacher fails on them. 1: all may. math.inf: all, but a shard whose images are all away ends the work, as at
            a rate below 1 (`needs_disk`).
    """

    def __init__(self, work: WorkFolder, plan: Plan, rate: float):
        self._open = [
            (work.images, set(range(plan.num_shards))),
            (work.validation, set(range(plan.num_validation_shards))),
        ]
        self._left = math.inf if rate >= 1 else int(rate * _total(plan)) - plan.num_bad
        self.needs_disk = rate != 1

    def left(self) -> float:
        """Negative when finished shards hold too many already, infinite at a rate of 1; reads each of them once."""
        for shards, unread in self._open if self._left < math.inf else ():
            finished = unread & shards.finished()
            self._left -= sum(sum(1 for _ in shards.read_failures(shard)) for shard in finished)
            unread -= finished
        return self._left


def _total(plan: Plan) -> int:
    return plan.num_images + plan.num_bad + (plan.validation["num_images"] if plan.validation else 0)


def require_few_bad(work: WorkFolder, plan: Plan, rate: float) -> None:
    """TooManyFailures: of the files that the plan looked at, more than the share `rate` are bad."""
    total = _total(plan)
    if plan.num_bad > rate * total:
        work.join_failures(plan)
        raise TooManyFailures(
            f"{plan.num_bad} of {total} files are bad, as plan found, more than --max-failure-rate {rate:g} allows: "
            f"{work.failures_path} says why. Mend them and plan a new folder, or raise --max-failure-rate"
        )
