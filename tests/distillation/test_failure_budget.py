"""How many images may fail, counted by hand: of 20 images and 5 bad files."""

import math
from dataclasses import replace

import pytest

from dense_det.distillation.failure_budget import FailureBudget, TooManyFailures, require_few_bad
from dense_det.distillation.work_folder import Failure, Plan, WorkFolder, write_lines

PLAN = Plan(10, 20, 2, [], {"bad": 5, "duplicate": 3}, "")


def finish(work, shard, num_failures):
    write_lines(work.images.failures(shard), [Failure(n, "a.jpg", None, None, "0 bytes") for n in range(num_failures)])
    work.images.predictions(shard).parent.mkdir(exist_ok=True)
    work.images.predictions(shard).touch()


def test_bad_files_and_failures_count_together(tmp_path):
    work = WorkFolder(tmp_path)
    budget = FailureBudget(work, PLAN, 0.4)
    assert budget.left() == 10 - 5
    finish(work, 1, 3)
    assert budget.left() == budget.left() == 2, "each shard is counted once"
    finish(work, 0, 4)
    assert budget.left() == -2 == FailureBudget(work, PLAN, 0.4).left()
    assert FailureBudget(work, PLAN, 1).left() == FailureBudget(work, PLAN, math.inf).left() == math.inf
    assert [FailureBudget(work, PLAN, rate).needs_disk for rate in (0.5, 1, math.inf)] == [True, False, True]


def test_validation_images_count(tmp_path):
    plan = replace(PLAN, validation={"num_images": 75})
    assert FailureBudget(WorkFolder(tmp_path), plan, 0.1).left() == 10 - 5
    require_few_bad(WorkFolder(tmp_path), plan, 0.05)


def test_too_many_bad_files(tmp_path):
    require_few_bad(WorkFolder(tmp_path), PLAN, 0.2)
    with pytest.raises(
        TooManyFailures, match="^5 of 25 files are bad, .* --max-failure-rate 0.19 allows: .*jsonl says"
    ):
        require_few_bad(WorkFolder(tmp_path), PLAN, 0.19)
    assert WorkFolder(tmp_path).failures_path.exists(), "which the error names"
