"""A training step as it is by default, and as this package sets up process, memory and optimizer."""

import functools
import itertools
from collections.abc import Callable

import torch
from detectron2.modeling import build_model as build_as_detectron2
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from dense_det.engine.model import build_model
from dense_det.engine.step import Step
from dense_det.engine.trainer import Trainer
from dense_det.environment import cpu_has_bfloat16
from dense_det.speed.apart import Apart
from dense_det.speed.networks import BN, load_one_class
from dense_det.speed.race import Goal, Race

PLAIN, OURS = "NCHW, torch's AdamW, the process as it starts", "channels_last, fused AdamW, the process prepared"
IN_BFLOAT16 = OURS + ", bfloat16"
SNET = "retina_snet.yaml"
HEAVIER = "retina_vovnet_19_slim.yaml"
STEPS = 3  # a turn: as in a training, one step follows the other


def training_race(size: int, batch: int, threads: int) -> Race:
    """Processes, each with a step of its own; one in bfloat16, as of SOLVER.AMP, where the CPU has a unit for it."""
    plain, ours = (
        Apart(functools.partial(build_step, ours, size, batch, threads), prepared=ours) for ours in (False, True)
    )
    calls = {PLAIN: plain, OURS: ours}
    if cpu_has_bfloat16():
        step = functools.partial(build_step, True, size, batch, threads, dtype=torch.bfloat16)
        calls[IN_BFLOAT16] = Apart(step, prepared=True)
    title = f"a training step of SNet, {batch} images of {size} x {size}"
    return Race(title, calls, tuple(Goal(PLAIN, name, 1.4) for name in calls if name != PLAIN), STEPS)


def precision_race(size: int, batch: int, threads: int) -> Race:
    """Steps of a heavier detector than SNet, in 32 bits and, where the CPU has a unit for it, in bfloat16."""
    dtypes = {"float32": None} | ({"bfloat16": torch.bfloat16} if cpu_has_bfloat16() else {})
    calls = {
        f"V-19-slim, {kind}": Apart(
            functools.partial(build_step, True, size, batch, threads, HEAVIER, dtype), prepared=True
        )
        for kind, dtype in dtypes.items()
    }
    return Race(f"a training step, {batch} images of {size} x {size}", calls, (), STEPS)


def build_step(
    ours: bool,
    size: int,
    batch: int,
    threads: int,
    config: str = SNET,
    dtype: torch.dtype | None = None,
) -> Callable[[], object]:
    """STEPS times forward, losses, backward and optimizer step of a RetinaNet, on the same images each time; `dtype`
    as Step's."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    words = ("MODEL.CHANNELS_LAST", str(ours), "SOLVER.OPTIMIZER", "AdamW", "SOLVER.CLIP_GRADIENTS.ENABLED", "False")
    cfg = load_one_class(config, (*BN, *words))
    model = (build_model if ours else build_as_detectron2)(cfg)
    optimizer = (
        Trainer.build_optimizer(cfg, model) if ours else torch.optim.AdamW(model.parameters(), cfg.SOLVER.BASE_LR)
    )
    records = [_record(size, number, ours) for number in range(batch)]
    step = Step(model, itertools.repeat(records), optimizer, "cpu", dtype)
    step.iter = 0

    def run():
        with EventStorage():
            for _ in range(STEPS):
                step.run_step()

    return run


def _record(size: int, number: int, ours: bool) -> dict:
    """As the mapper gives it: Detectron2's lays an image out plane by plane, ours leaves its pixels as they were."""
    instances = Instances((size, size))
    corner = 8.0 * number
    instances.gt_boxes = Boxes(torch.tensor([[corner, 20.0, corner + size / 2, 20.0 + size / 3]]))
    instances.gt_classes = torch.zeros(1, dtype=torch.long)
    image = torch.randint(0, 256, (size, size, 3), dtype=torch.uint8).permute(2, 0, 1)
    return {"image": image if ours else image.contiguous(), "instances": instances}
