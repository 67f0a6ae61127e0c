"""A moving average of the weights (Polyak averaging): what is evaluated and kept while the raw weights train."""

import torch
from torch.optim.swa_utils import AveragedModel


class WeightAverage:
    """average <- d * average + (1 - d) * weights after every step, with d = min(decay, (1 + t) / (10 + t)).

    The second term lets the average forget its random start within the first steps t. Buffers with real
    numbers (BatchNorm's statistics) are averaged alike; counters are copied.

    Args:
        model: the module that trains; it is copied.
        decay: in (0, 1); 0.998 averages over about 500 steps.

    Raises:
        ValueError: a decay outside (0, 1).
    """

    def __init__(self, model: torch.nn.Module, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"SOLVER.EMA_DECAY must lie in (0, 1), or be 0 for none; got {decay}")
        self.decay = decay
        self._average = AveragedModel(model, multi_avg_fn=self._mix, use_buffers=True)

    @property
    def model(self) -> torch.nn.Module:
        """The averaged model, in evaluation mode: not for training."""
        return self._average.module.eval()

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        self._average.update_parameters(model)

    def _mix(self, averages, weights, num_averaged) -> None:
        step = int(num_averaged)
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        if averages[0].is_floating_point():  # AveragedModel hands over tensors of one type at a time
            torch._foreach_lerp_(averages, weights, weight)
        else:
            torch._foreach_copy_(averages, weights)

    def state_dict(self) -> dict:
        return {"model": self._average.module.state_dict(), "num_updates": int(self._average.n_averaged)}

    def load_state_dict(self, state: dict) -> None:
        self._average.module.load_state_dict(state["model"])
        self._average.n_averaged.fill_(state["num_updates"])
