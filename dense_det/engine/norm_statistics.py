"""Batch norms with the statistics of the weights that they stand among ("precise BN", arXiv 2105.07576, section 3)."""

import copy
from collections.abc import Iterable

import torch
from detectron2.utils import comm
from detectron2.utils.events import EventStorage
from fvcore.nn.precise_bn import BN_MODULE_TYPES


class Moments:
    """Mean and variance per channel of all pixels that a norm was given, over any number of calls."""

    def __init__(self):
        self.count, self.mean, self.mean_square = 0, 0.0, 0.0

    def __call__(self, module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        """A forward pre-hook: take in x, (N, C, ...)."""
        x = inputs[0]
        if count := x.numel() // x.shape[1]:
            variance, mean = torch.var_mean(x.float(), [d for d in range(x.dim()) if d != 1], correction=0)
            variance, mean = variance.double().cpu(), mean.double().cpu()
            self.add(count, mean, variance + mean.square())

    def add(self, count: int, mean: torch.Tensor, mean_square: torch.Tensor) -> None:
        self.count += count
        self.mean += (mean - self.mean) * (count / self.count)
        self.mean_square += (mean_square - self.mean_square) * (count / self.count)

    @property
    def variance(self) -> torch.Tensor:
        return (self.mean_square - self.mean.square()).clamp(min=0)


@torch.no_grad()
def recompute_norm_statistics(model: torch.nn.Module, batches: Iterable[list[dict]]) -> int:
    """Replace running means and variances of `model`'s batch norms by those over `batches`; returns how many norms.

    Running averages are over the weights of many steps, and lag behind in a short training. All else stays as it
    is: the batches go through a copy in training mode. A norm that is used twice counts all that it is given
    (fvcore's update_bn_stats refuses it), and one that nothing reaches keeps what it has (there it becomes 0).
    Several processes count each other's batches, too.

    Args:
        batches: as those that the model trains on; 200 images are plenty.
    """
    twin = copy.deepcopy(model).train()
    originals = dict(model.named_modules())
    found = []
    for name, module in twin.named_modules():
        if isinstance(module, BN_MODULE_TYPES) and module.track_running_stats:
            found.append((originals[name], Moments()))
            module.register_forward_pre_hook(found[-1][1])
    if not found:
        return 0
    with EventStorage():  # what the copy reports is no part of the training
        for batch in batches:
            twin(batch)
    of_processes = comm.all_gather([(m.count, m.mean, m.mean_square) for _, m in found])
    for (norm, _), *parts in zip(found, *of_processes, strict=True):
        total = Moments()
        for part in parts:
            if part[0]:
                total.add(*part)
        if total.count:
            norm.running_mean.copy_(total.mean)
            norm.running_var.copy_(total.variance)
    return len(found)
