"""How long a teacher takes for an image, tried on a few of a plan."""

import statistics
import time
from contextlib import suppress
from itertools import islice

import torch

from dense_det.distillation.image_reader import BadImage, ImageReader
from dense_det.distillation.labelling import Labeller
from dense_det.distillation.work_folder import WorkFolder

_IMAGES = 6  # the first one warms up


def trial_pace(work: WorkFolder, labeller: Labeller) -> float | None:
    """Median seconds of an image, read and labelled on one thread; None: of the first few none can be read."""
    threads, reader, seconds = torch.get_num_threads(), ImageReader(labeller.least_edge), []
    torch.set_num_threads(1)
    try:
        for image in islice(work.images.read_inputs(0), _IMAGES):
            start = time.perf_counter()
            with suppress(BadImage):
                labeller.label(reader.read(image), image.id, (image.height, image.width))
                seconds.append(time.perf_counter() - start)
    finally:
        reader.close()
        torch.set_num_threads(threads)
    return statistics.median(seconds[1:] or seconds) if seconds else None
