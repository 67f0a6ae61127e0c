"""Lanes: side by side, and yet in order, each teacher on one image, the reader on one thread."""

import threading

import pytest

from dense_det.distillation.image_reader import BadImage
from dense_det.distillation.lanes import Lanes
from dense_det.distillation.work_folder import InputImage


def images(count: int) -> list[InputImage]:
    return [InputImage(number, f"/{number}.jpg", None, None, "00", 4, 3) for number in range(1, count + 1)]


class Reader:
    """Pixels are ids; notes which images it read, and on which threads. The third image is damaged."""

    def __init__(self):
        self.read_ids, self.threads = [], set()

    def read(self, image):
        self.read_ids.append(image.id)
        self.threads.add(threading.get_ident())
        if image.id == 3:
            raise BadImage("truncated")
        return image.id


class Labeller:
    """Tells (pixels, id, size); the fifth is too odd for it. `met`, if given, is waited at by every lane."""

    def __init__(self, met: threading.Barrier | None = None):
        self._met, self._busy = met, threading.Lock()

    def label(self, pixels, image_id, size):
        assert self._busy.acquire(blocking=False), "two images at a time"
        try:
            if self._met:
                self._met.wait(10)
            if image_id == 5:
                raise ArithmeticError("odd")
            return pixels, image_id, size
        finally:
            self._busy.release()


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_by_hand(lanes):
    reader, told = Reader(), []
    for image, label in Lanes([Labeller() for _ in range(lanes)], reader).label_all(images(6)):
        try:
            told.append(label())
        except (BadImage, ArithmeticError) as error:
            told.append(f"{image.id}: {error}")
    assert told == [(1, 1, (3, 4)), (2, 2, (3, 4)), "3: truncated", (4, 4, (3, 4)), "5: odd", (6, 6, (3, 4))]
    assert reader.read_ids == [1, 2, 3, 4, 5, 6] and len(reader.threads) == 1


def test_side_by_side():
    """Nobody passes the barrier alone: images 1 and 2 are looked at together, then 4 and 6."""
    met = threading.Barrier(2)
    four = [image for image in images(6) if image.id not in (3, 5)]
    looking = Lanes([Labeller(met), Labeller(met)], Reader()).label_all(four)
    assert [label()[1] for _, label in looking] == [1, 2, 4, 6]


def test_few_are_held():
    reader = Reader()
    looking = Lanes([Labeller(), Labeller()], reader).label_all(images(50))
    _, label = next(looking)
    label()
    assert len(reader.read_ids) <= 4
    looking.close()
    assert len(reader.read_ids) <= 4 and not [t for t in threading.enumerate() if t.name.startswith("read_ahead")]
