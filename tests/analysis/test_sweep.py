import pytest
import torch
from torch import nn

from dense_det.analysis import sweep as module
from dense_det.analysis.blame import Faults
from dense_det.analysis.sweep import BATCHES, NUM_ROUNDS, SIZES, sweep, sweep_rows, sweep_table


class Subject:
    """Takes 100 ms and 1 microsecond a pixel, by the test's clock."""

    name, num_candidates = "a", None

    def __init__(self, slow_after=10**9):
        self.seen, self.now, self.slow_after = [], 0.0, slow_after

    def detect(self, records, device):
        assert device == "cpu"
        _, height, width = records[0]["image"].shape
        self.seen.append((height, len(records)))
        factor = 1000 if len(self.seen) > self.slow_after else 1
        self.now += factor * (0.1 + 1e-6 * height * width * len(records))


@pytest.fixture
def clock(monkeypatch):
    def with_subject(subject):
        def milliseconds(call, _device):
            before = subject.now
            call()
            return 1000 * (subject.now - before)

        monkeypatch.setattr(module, "milliseconds", milliseconds)
        monkeypatch.setattr("time.monotonic", lambda: subject.now)
        return subject

    return with_subject


def test_with_much_time_every_cell_is_measured(clock):
    subject = clock(Subject())
    times = sweep(subject, "cpu", 1000, Faults())
    assert times[256, 1] == pytest.approx(100 + 65.536)
    assert times[1024, 16] == pytest.approx(100 / 16 + 1048.576)
    assert len(subject.seen) == 1 + (NUM_ROUNDS + 1) * len(SIZES) * len(BATCHES)


def test_the_time_to_compile_for_batches_is_not_theirs(clock):
    class Compiled(Subject):
        def detect(self, records, device):
            if len(records) > 1 and all(batch == 1 for _, batch in self.seen):
                self.now += 50
            super().detect(records, device)

    times = sweep(clock(Compiled()), "cpu", 300, Faults())
    assert times[256, 2] == pytest.approx(50 + 65.536)
    assert None not in times.values()


def test_random_weights_have_as_many_candidates_at_every_size(clock, monkeypatch):
    subject, fitted, used = clock(Subject()), [], []
    subject.num_candidates, subject.model = 1000, nn.Module()
    detect = subject.detect

    def fit(model, records):
        fitted.append(records[0]["image"].shape[-1])
        model.test_score_thresh = 1 / fitted[-1]

    def tell(records, device):
        used.append((records[0]["image"].shape[-1], subject.model.test_score_thresh))
        detect(records, device)

    subject.detect = tell
    monkeypatch.setattr(module, "give_candidates", fit)
    sweep(subject, "cpu", 1000, Faults())
    assert fitted == list(SIZES)
    assert {size for size, _ in used} == set(SIZES)
    assert all(threshold == 1 / size for size, threshold in used)


def test_with_little_time_single_images_come_first(clock):
    # what all sizes take as single images: 0.5 s and 1 microsecond for 2.4 million pixels, in each of four rounds
    subject = clock(Subject())
    times = sweep(subject, "cpu", 14, Faults())
    assert all(times[size, 1] is not None for size in SIZES)
    assert times[256, 2] is not None and times[1024, 16] is None
    assert subject.now < 14 + 1


def test_a_machine_that_becomes_slow_does_not_hang(clock):
    subject = clock(Subject(slow_after=40))
    times = sweep(subject, "cpu", 1000, Faults())
    # of what was chosen each is measured once
    assert len(subject.seen) <= 1 + 25 + 25 + 15 and times[256, 1] is not None


def test_what_has_no_room_is_told_and_nothing_larger_is_tried(clock):
    subject, faults = clock(Subject()), Faults()
    detect = subject.detect

    def detect_little(records, device):
        detect(records, device)
        if len(records) * records[0]["image"][0].numel() > 2 * 1024**2:
            raise RuntimeError("out of memory")

    subject.detect = detect_little
    times = sweep(subject, "cpu", 1000, faults)
    assert times[1024, 2] == pytest.approx(100 / 2 + 1048.576)
    assert all((ms is None) == (size * size * batch > 2 * 1024**2) for (size, batch), ms in times.items())
    (reason,) = faults.reasons.values()
    assert reason.startswith("a at 384 x 384 px and batch 16 does not run") and "out of memory" in reason


def test_nothing_runs(clock):
    subject, faults = clock(Subject()), Faults()
    subject.detect = lambda *_: torch.zeros(2) @ torch.zeros(3)
    assert set(sweep(subject, "cpu", 1000, faults).values()) == {None}
    assert list(faults.reasons) == ["a at 256 x 256 px and batch 1"]


def test_rows_and_table_by_hand():
    times = {(size, batch): None for size in SIZES for batch in BATCHES}
    times |= {(256, 1): 10.0, (512, 1): 30.0, (512, 4): 25.0}
    rows = sweep_rows(times, nn.Conv2d(3, 4, 1))
    assert [row["gmacs"] for row in rows] == pytest.approx([12 * size * size / 1e9 for size in SIZES])
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in sweep_table(rows).splitlines()]
    assert cells[4] == ["512 x 512", "x 4.00", "0.0031", "x 4.00", "x 3.00", "30.0", "-", "25.0", "-", "-"]
    assert cells[6][4:6] == ["-", "-"]
