"""One training step on any device, in mixed precision where the chip has it, and only on finite losses."""

import logging
import time

import torch
from detectron2.engine import SimpleTrainer

from dense_det.environment import cpu_has_bfloat16

logger = logging.getLogger(__name__)


def amp_dtype(device: str) -> torch.dtype | None:
    """float16 on a GPU, bfloat16 on a CPU that computes in it, else None: emulation is slower than float32."""
    if device.startswith("cuda"):
        return torch.float16
    if cpu_has_bfloat16():
        return torch.bfloat16
    logger.warning("mixed precision was asked for, but this CPU has no bfloat16 unit: it computes in float32")
    return None


class Step(SimpleTrainer):
    """Forward, backward and optimizer step of one batch.

    Args:
        model, data_loader, optimizer: as SimpleTrainer's.
        device: "cpu" or "cuda".
        dtype: run the forward under torch.amp.autocast in this type; None is float32.

    `batch` is the batch of the last step, for pictures and for messages. What is loaded from a checkpoint is the
    optimizer's memory of the steps; its settings stay as they were built, the learning rate as at the first step.

    Raises:
        FloatingPointError: from `run_step`, when a loss is not finite; names the iteration and the images.
            Weights are as before the step.
        ValueError: from `load_state_dict`, on the state of another optimizer or other parameters.
    """

    def __init__(self, model, data_loader, optimizer, device: str, dtype: torch.dtype | None = None):
        super().__init__(model, data_loader, optimizer)
        self.device_type = torch.device(device).type
        self.dtype = dtype
        # float16 gradients underflow without a loss scale; bfloat16 has float32's range
        self.grad_scaler = torch.amp.GradScaler(self.device_type, enabled=dtype is torch.float16)
        self.batch: list[dict] = []

    def run_step(self) -> None:
        start = time.perf_counter()
        self.batch = next(self._data_loader_iter)
        data_time = time.perf_counter() - start

        with torch.amp.autocast(self.device_type, dtype=self.dtype, enabled=self.dtype is not None):
            losses = self.model(self.batch)
        self._require_finite(losses)

        self.optimizer.zero_grad()
        self.grad_scaler.scale(sum(losses.values())).backward()
        self._write_metrics(losses, data_time)
        if self.grad_scaler.is_enabled():
            self.grad_scaler.unscale_(self.optimizer)  # so that gradients are clipped at their true size
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()

    def _require_finite(self, losses: dict[str, torch.Tensor]) -> None:
        if torch.isfinite(torch.stack([loss.detach().float() for loss in losses.values()])).all():
            return
        values = {name: loss.item() for name, loss in losses.items()}
        images = ", ".join(f"{image.get('image_id')} ({image.get('file_name')})" for image in self.batch)
        raise FloatingPointError(
            f"a loss is not finite at iteration {self.iter}: {values}. Image ids of this batch: {images}. "
            "Lower SOLVER.BASE_LR, lengthen SOLVER.WARMUP_ITERS or clip gradients (SOLVER.CLIP_GRADIENTS), and run "
            "tools/check_data.py; --resume goes on from the last checkpoint."
        )

    def state_dict(self) -> dict:
        return {**super().state_dict(), "grad_scaler": self.grad_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        groups = self.optimizer.param_groups
        _require_same_optimizer(state_dict["optimizer"]["param_groups"], groups)
        settings = [{name: value for name, value in group.items() if name != "params"} for group in groups]
        super().load_state_dict(state_dict)
        for group, built in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(built)
        self.grad_scaler.load_state_dict(state_dict["grad_scaler"])


def _require_same_optimizer(saved: list[dict], built: list[dict]) -> None:
    """Compare parameter groups: torch would take the state of the one for the other's, or name neither."""
    theirs, ours = ("AdamW" if "betas" in groups[0] else "SGD" for groups in (saved, built))
    if theirs != ours:
        raise ValueError(
            f"SOLVER.OPTIMIZER is {ours}, but the checkpoint's is {theirs}, whose state fits no other: resume with "
            f"{theirs}, or start a new training from its weights (MODEL.WEIGHTS and another OUTPUT_DIR)"
        )
    theirs, ours = ([len(group["params"]) for group in groups] for groups in (saved, built))
    if theirs != ours:
        raise ValueError(
            f"this config gives the optimizer groups of {ours} parameters, the checkpoint has groups of {theirs}: it "
            "is of another network, other frozen layers, or other SOLVER.BIAS_LR_FACTOR, WEIGHT_DECAY_BIAS or "
            "WEIGHT_DECAY_NORM (those that are equal to WEIGHT_DECAY share its group). Resume with the config.yaml "
            "beside the checkpoint"
        )
