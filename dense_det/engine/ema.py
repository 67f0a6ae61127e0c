"""A moving average of the weights (Polyak averaging): what is evaluated and kept while the raw weights train."""

import copy

import torch


class WeightAverage:
    """average <- d * average + (1 - d) * weights after step t, with d = min(decay, (1 + t) / (10 + t)), at first 0.

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
        self._model = copy.deepcopy(model).requires_grad_(False)
        self._num_updates = 0
        # torch's AveragedModel looks for all tensors anew at each step: 3 % of a small network's on a CPU
        self._source, self._real, self._counters = None, [], []

    @property
    def model(self) -> torch.nn.Module:
        """The averaged model, in evaluation mode: not for training."""
        return self._model.eval()

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        if model is not self._source:
            self._source, self._real, self._counters = model, [], []
            for pair in zip(_tensors(self._model), _tensors(model), strict=True):
                (self._real if pair[0].is_floating_point() else self._counters).append(pair)
        step = self._num_updates
        kept = min(self.decay, (1 + step) / (10 + step)) if step else 0
        torch._foreach_lerp_(*zip(*self._real, strict=True), 1 - kept)
        for average, counter in self._counters:
            average.copy_(counter)
        self._num_updates += 1

    def state_dict(self) -> dict:
        return {"model": self._model.state_dict(), "num_updates": self._num_updates}

    def load_state_dict(self, state: dict) -> None:
        self._model.load_state_dict(state["model"])
        self._num_updates = state["num_updates"]


def _tensors(model: torch.nn.Module) -> list[torch.Tensor]:
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
