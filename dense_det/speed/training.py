"""A training step as it is by default, and as this package sets up process, memory and optimizer."""

import itertools
import multiprocessing
import os
from collections.abc import Callable
from contextlib import contextmanager

import torch
from detectron2.modeling import build_model as build_as_detectron2
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from dense_det.engine.model import build_model
from dense_det.engine.step import Step
from dense_det.engine.trainer import Trainer
from dense_det.environment import LEAVE, VARIABLES
from dense_det.speed.networks import BN, load_one_class
from dense_det.speed.race import Goal, Race

PLAIN, OURS = "NCHW, torch's AdamW, the process as it starts", "channels_last, fused AdamW, the process prepared"
SECONDS_TO_START = 300
STEPS = 3  # a turn: as in a training, one step follows the other


class Apart:
    """Something that runs in a process of its own whenever it is called; a context manager.

    Args:
        make: picklable; called in the process, it gives what runs.
        prepared: whether `import dense_det` may set up that process.
    """

    def __init__(self, make: Callable[[], Callable[[], object]], prepared: bool):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), daemon=True)
        with _environment(prepared):
            self._process.start()
        theirs.close()  # so that the end of the process ends the waiting for it

    def __enter__(self):
        if not self._pipe.poll(SECONDS_TO_START):
            raise ValueError(f"a process did not start within {SECONDS_TO_START} s")
        self._pipe.recv()
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def __call__(self) -> None:
        self._pipe.send(True)
        self._pipe.recv()


def training_race(plain: Apart, ours: Apart, size: int, batch: int) -> Race:
    """Of two processes that build_step has gone to."""
    title = f"a training step of SNet, {batch} images of {size} x {size}"
    return Race(title, {PLAIN: plain, OURS: ours}, (Goal(PLAIN, OURS, 1.4),), STEPS)


def build_step(ours: bool, size: int, batch: int, threads: int) -> Callable[[], object]:
    """STEPS times forward, losses, backward and optimizer step of an SNet RetinaNet, on the same images each time."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    words = ("MODEL.CHANNELS_LAST", str(ours), "SOLVER.OPTIMIZER", "AdamW", "SOLVER.CLIP_GRADIENTS.ENABLED", "False")
    cfg = load_one_class("retina_snet.yaml", (*BN, *words))
    model = (build_model if ours else build_as_detectron2)(cfg)
    optimizer = (
        Trainer.build_optimizer(cfg, model) if ours else torch.optim.AdamW(model.parameters(), cfg.SOLVER.BASE_LR)
    )
    records = [_record(size, number) for number in range(batch)]
    step = Step(model, itertools.repeat(records), optimizer, "cpu")
    step.iter = 0

    def run():
        with EventStorage():
            for _ in range(STEPS):
                step.run_step()

    return run


def _record(size: int, number: int) -> dict:
    instances = Instances((size, size))
    corner = 8.0 * number
    instances.gt_boxes = Boxes(torch.tensor([[corner, 20.0, corner + size / 2, 20.0 + size / 3]]))
    instances.gt_classes = torch.zeros(1, dtype=torch.long)
    return {"image": torch.randint(0, 256, (3, size, size), dtype=torch.uint8), "instances": instances}


def _serve(pipe, make) -> None:
    run = make()
    run()
    pipe.send(True)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        run()
        pipe.send(True)


@contextmanager
def _environment(prepared: bool):
    """That of a process which starts meanwhile."""
    before = dict(os.environ)
    if not prepared:
        for name in VARIABLES:
            os.environ.pop(name, None)
        os.environ[LEAVE] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
