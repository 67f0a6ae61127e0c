"""The pace of a teacher by hand: the first image warms up, those that cannot be read do not count."""

import pytest

from dense_det.distillation import trial_pace as module
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.trial_pace import trial_pace
from dense_det.distillation.work_folder import WorkFolder


class Labeller:
    least_edge = 0

    def __init__(self):
        self.sizes = []

    def label(self, pixels, image_id, size):
        assert pixels.shape[:2] == size
        self.sizes.append(size)


@pytest.fixture
def work(tmp_path, photos):
    work = WorkFolder(tmp_path / "work")
    make_plan(work, PlanSettings((str(photos),)))
    return work


def test_by_hand(work, monkeypatch):
    times = iter([0, 9, 10, 11, 20, 23, 30, 32, 40, 42])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(times))
    labeller = Labeller()
    assert trial_pace(work, labeller) == 2  # of 1, 3, 2, 2, behind the first one's 9
    assert len(labeller.sizes) == 5 and (60, 40) in labeller.sizes


def test_what_cannot_be_read(work, photos):
    names = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    for path in names[1:]:
        path.unlink()
    assert trial_pace(work, Labeller()) > 0
    names[0].unlink()
    assert trial_pace(work, Labeller()) is None
