"""Shares: every shard is somebody's, and nobody's twice, however the workers are started."""

import pytest

from dense_det.distillation.share import Share, Task, find_share, suspects_last
from dense_det.distillation.work_folder import Plan, WorkFolder

PLAN = Plan(2, 14, 7, [], {}, "", None, {"num_images": 3})


def test_by_hand():
    assert Share(1, 3).tasks(PLAN) == [Task(True, 1), Task(False, 1), Task(False, 4)]
    assert Share(0, 1).tasks(PLAN)[:3] == [Task(True, 0), Task(True, 1), Task(False, 0)]


@pytest.mark.parametrize("count", [1, 3, 20])
def test_all_and_none_twice(count):
    tasks = [t for i in range(count) for t in Share(i, count).tasks(PLAN)]
    assert len(tasks) == len(set(tasks)) == 9


def test_suspects_come_last_and_what_is_finished_not_at_all(tmp_path):
    work = WorkFolder(tmp_path)
    claims = [work.validation.claim(0, 0), work.images.claim(1, 0), work.images.claim(1, 1), work.images.claim(2, 0)]
    finished = [work.images.predictions(3), work.images.predictions(5)]
    for path in claims + finished:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    tasks = suspects_last(work, Share(0, 1).tasks(PLAN))
    assert next(tasks) == Task(True, 1)
    work.images.predictions(2).touch()  # by another run, meanwhile
    assert list(map(str, tasks)) == ["shard 0", "shard 4", "shard 6", "validation shard 0", "shard 1"]


def test_who_says_so():
    torchrun = {"RANK": "2", "WORLD_SIZE": "4"}
    slurm = {
        "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1",
        "SLURM_ARRAY_TASK_STEP": "2",
    }  # fmt: skip
    assert find_share(None, {}) == Share(0, 1)
    assert find_share(None, torchrun) == Share(2, 4)
    assert find_share(None, slurm) == Share(3, 4)
    assert find_share(None, slurm | torchrun) == Share(2, 4)
    assert find_share("1/8", torchrun) == Share(1, 8)


@pytest.mark.parametrize("text", ["1", "4/4", "-1/2", "0/0", "a/b"])
def test_what_is_refused(text):
    with pytest.raises(ValueError, match="worker"):
        find_share(text, {})
    with pytest.raises(ValueError, match="not evenly spaced"):
        find_share(None, {"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"})
