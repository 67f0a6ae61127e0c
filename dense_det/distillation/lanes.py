"""Lanes of a worker: images that it looks at side by side, on a thread each, while the next one is read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue

import torch

from dense_det.deploy.runtime import read_ahead
from dense_det.distillation.work_folder import InputImage


class Lanes:
    """What a worker looks at images with.

    Args:
        labellers: one a lane, that all find the same: a teacher may hold what it looks at. `label(pixels, image_id,
            size)` gives ImagePredictions; see labelling.Labeller.
        reader: `read(image)` gives pixels or raises BadImage; see image_reader.ImageReader. It reads one image after
            the other, on one thread, however many lanes there are.
    """

    def __init__(self, labellers: Sequence, reader):
        self._labellers, self._reader = labellers, reader

    def label_all(self, images: Iterable[InputImage]) -> Iterator[tuple[InputImage, Callable]]:
        """(image, call) of each image, in order: `call()` gives its ImagePredictions, or raises what reading or
        labelling it raised. So many images are held as there are lanes, and two."""
        free, lanes = SimpleQueue(), len(self._labellers)
        for labeller in self._labellers:
            free.put(labeller)

        def label(reading):
            image, read = reading
            torch.set_num_threads(1)  # of this thread: with more, the last bits would depend on their number
            pixels, labeller = read(), free.get()
            try:
                return labeller.label(pixels, image.id, (image.height, image.width))
            finally:
                free.put(labeller)

        with ThreadPoolExecutor(1, "read_ahead") as pool:
            readings = ((image, pool.submit(self._reader.read, image).result) for image in images)
            with closing(read_ahead(label, readings, lanes + 1, lanes)) as looks:
                for (image, _), look in looks:
                    yield image, look
