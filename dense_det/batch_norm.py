"""Training's batch norm of maps with few channels in channels_last on a CPU, by whole vectors."""

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LANES = 16  # float32 values of AVX-512
MOST_CHANNELS = 64  # with more, what is left of the last vector counts little
FEW_VALUES = 2**18  # of a map, for which the calls around the sums take longer than they save


class VectorBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the same parameters, buffers and, up to rounding, outputs; in training faster.

    torch's kernels go over a pixel's channels by vectors of `LANES` values: of 24 channels, the last 8 one by one. As
    pixels lie one behind the other, two of them are 48 channels, without a rest: their sums are taken as of 48, then
    joined. There is no second derivative. (N, C, H, W) -> same.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self._has_rests(x):
            return super().forward(x)
        y, mean, var = _NormOfColumns.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            pixels = x.numel() // x.shape[1]
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (pixels / (pixels - 1)), self.momentum)
        return y

    def _has_rests(self, x: Tensor) -> bool:
        if not (self.training and self.affine and self.track_running_stats and self.momentum is not None):
            return False
        if torch.compiler.is_compiling() or torch.jit.is_tracing() or x.device.type != "cpu":
            return False
        return x.dtype == torch.float32 and len(x.shape) == 4 and _gains(x)


def use_vectors(model: nn.Module) -> nn.Module:
    """`model`, changed in place: its plain batch norms become VectorBatchNorm2d, with the same parameters."""
    for norm in model.modules():
        if type(norm) is nn.BatchNorm2d:
            norm.__class__ = VectorBatchNorm2d
    return model


def _gains(x: Tensor) -> bool:
    channels = x.shape[1]
    if channels % LANES == 0 or channels > MOST_CHANNELS or x.numel() < FEW_VALUES:
        return False
    return x.numel() % (channels * _group(channels)) == 0 and x.is_contiguous(memory_format=torch.channels_last)


def _group(channels: int) -> int:
    """Pixels that make whole vectors."""
    return LANES // math.gcd(channels, LANES)


def _columns(x: Tensor) -> Tensor:
    """(N, C, H, W) as (pixels / G, G * C, 1, 1): G pixels beside each other; a view, if it is in channels_last."""
    channels = x.shape[1]
    return x.permute(0, 2, 3, 1).reshape(-1, _group(channels) * channels)[:, :, None, None]


class _NormOfColumns(torch.autograd.Function):
    """(N, C, H, W), (C,), (C,), eps -> normalised (N, C, H, W), mean (C,), biased variance (C,)."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float):
        columns, group = _columns(x), _group(x.shape[1])
        means, variances = (s.view(group, -1) for s in torch.batch_norm_update_stats(columns, None, None, 0.0))
        mean = means.mean(0)
        var = variances.mean(0) + (means - mean).square().mean(0)  # within the columns, and between them
        y = torch.empty_like(x, memory_format=torch.channels_last)
        unused = x.new_empty(0), x.new_empty(0)
        given = (each.repeat(group) for each in (weight, bias, mean, var))
        torch.native_batch_norm(columns, *given, False, 0.0, eps, out=(_columns(y), *unused))
        ctx.save_for_backward(x, weight, mean, var)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor, *_):
        x, weight, mean, var = ctx.saved_tensors
        columns, dcolumns, group = _columns(x), _columns(dy), _group(x.shape[1])
        repeated = (each.repeat(group) for each in (weight, mean, var))
        sums = torch.ops.aten.native_batch_norm_backward(  # as in evaluation: sums alone, for each column
            dcolumns, columns, *repeated, None, None, False, ctx.eps, [False, True, True]
        )
        dweight, dbias = (each.view(group, -1).sum(0) for each in sums[1:])
        # arXiv 1502.03167, section 3, as a line through dy and x: the terms of each channel are numbers
        pixels = x.numel() // x.shape[1]
        inverse = (var + ctx.eps).rsqrt()
        of_dy = weight * inverse
        of_x = -of_dy * inverse * dweight / pixels
        rest = -of_dy * dbias / pixels - of_x * mean
        of_dy, of_x, rest = (each.repeat(group)[:, None, None] for each in (of_dy, of_x, rest))
        dx = torch.empty_like(x, memory_format=torch.channels_last)
        torch.addcmul(rest, dcolumns, of_dy, out=_columns(dx)).addcmul_(columns, of_x)
        return dx, dweight, dbias, None
