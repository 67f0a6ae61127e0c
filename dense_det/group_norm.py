"""Group norm of large maps in channels_last on a CPU, to the digits that it has in NCHW."""

from contextlib import contextmanager

import torch
from torch import Tensor, nn

FEW_PIXELS = 1024  # of a map: so many leave torch its digits, and exactness would cost most where maps are small


class ExactGroupNorm(nn.GroupNorm):
    """torch's group norm, but where no gradient is asked for, with exact statistics of large maps in channels_last.

    torch adds up such a map's values and their squares pixel by pixel in 32 bits: 128 x 112 pixels leave 4 digits of
    the output, where NCHW leaves 6, and an exported file, which has them, finds other boxes. Here the mean is taken
    off before values are squared, and torch's sums over a map go in parts. Training keeps torch's kernel, which holds
    less for the backward pass, and 4 digits will do for a gradient. (N, C, H, W) -> same.
    """

    written_out = False

    def forward(self, x: Tensor) -> Tensor:
        if not (self.written_out or _loses_digits(x)):
            return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        centred = x - self._of_groups(x)
        scale = (self._of_groups(centred.square()) + self.eps).rsqrt()
        if self.weight is None:
            return centred.mul_(scale)
        return torch.addcmul(self.bias[:, None, None], centred, scale * self.weight[:, None, None])

    def _of_groups(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1): the mean over each channel's group."""
        if self.written_out:  # in two steps, so that no sum is long, and the layout is the engine's business
            means = x.mean(3).mean(2)
        else:
            rows = x.permute(0, 2, 3, 1).flatten(2)  # as they lie in memory: two threads can add them up
            means = rows.mean(1).unflatten(1, (-1, x.shape[1])).mean(1)
        means = means.unflatten(1, (self.num_groups, -1))
        return means.mean(2, keepdim=True).expand_as(means).flatten(1)[:, :, None, None]


def _loses_digits(x: Tensor) -> bool:
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.shape[2:].numel() <= FEW_PIXELS:
        return False
    return not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def use_exact_group_norm(model: nn.Module) -> nn.Module:
    """`model`, changed in place: its group norms become ExactGroupNorm, with the same parameters."""
    for norm in model.modules():
        if isinstance(norm, nn.GroupNorm):
            norm.__class__ = ExactGroupNorm
    return model


@contextmanager
def written_out(model: nn.Module):
    """Meanwhile the exact group norms of `model` are traced as means and products. An engine's own norm loses digits as
    torch's does: of white pages an untrained SNet in onnxruntime found boxes 0.8 px away."""
    norms = [norm for norm in model.modules() if isinstance(norm, ExactGroupNorm)]
    for norm in norms:
        norm.written_out = True
    try:
        yield
    finally:
        for norm in norms:
            norm.written_out = False
