"""Normalisations and activations by name."""

import torch
import torch.distributed as dist
from detectron2.layers import CycleBatchNormList, FrozenBatchNorm2d
from fvcore.nn.distributed import differentiable_all_reduce
from torch import nn
from torch.nn import functional as F

from dense_det.suggest import unknown


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel (ConvNeXt, arXiv 2201.03545). (N, C, H, W) -> same."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm with the statistics of the images of all processes, each pixel weighted alike.

    One process, and evaluation, are plain batch norm. torch's nn.SyncBatchNorm refuses CPU tensors, and
    DistributedDataParallel refuses the class on CPU: hence this one, which runs on either.
    (N, C, H, W) -> same.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return super().forward(x)
        # E[x^2] - E[x]^2 loses digits where the mean is large: take both of x less the running mean
        centred = x.float() - self.running_mean[:, None, None]
        num_pixels = centred.new_full((1,), x.numel() // x.shape[1])
        sums = torch.cat([centred.sum((0, 2, 3)), centred.square().sum((0, 2, 3)), num_pixels])
        sums = differentiable_all_reduce(sums)
        num_pixels = sums[-1].detach()
        mean, mean_square = (sums[:-1] / num_pixels).chunk(2)
        variance = (mean_square - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean += self.momentum * mean
            self.running_var.lerp_(variance * num_pixels / (num_pixels - 1).clamp(min=1), self.momentum)
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        shift = -mean * scale
        if self.affine:
            shift = shift + self.bias
        return (centred * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class LevelBatchNorm(nn.BatchNorm2d):
    """The statistics of one pyramid level; scales and shifts are given. (N, C, H, W), (C,), (C,) -> (N, C, H, W)."""

    def __init__(self, num_features: int, affine: bool = False):
        super().__init__(num_features, affine=affine)

    def forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
        return F.batch_norm(
            x, self.running_mean, self.running_var, weight, bias, self.training, self.momentum, self.eps
        )


class LevelBatchNorms(CycleBatchNormList):
    """Detectron2's CycleBatchNormList, with scale and shift in the norm's own pass and not in two more behind it.

    Batch norms of `num_levels` levels, called in turn, with scales and shifts in common (arXiv 2105.07576, section
    5.2). (N, C, H, W) -> same.
    """

    def __init__(self, num_levels: int, channels: int):
        super().__init__(num_levels, bn_class=LevelBatchNorm, num_features=channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm = self[self._pos]
        if not isinstance(norm, LevelBatchNorm):  # converted: frozen, or torch's SyncBatchNorm
            return super().forward(x)
        self._pos = (self._pos + 1) % len(self)
        return norm(x, self.weight, self.bias)


class UnscaledFrozenBatchNorm(FrozenBatchNorm2d):
    """A batch norm without scales and shifts, frozen: its state holds what that of the norm itself does.

    Detectron2's keeps 1 and 0 in the state, too, which a checkpoint of a network that is not frozen does not have.
    (N, C, H, W) -> same.
    """

    affine = False

    def __init__(self, channels: int):
        super().__init__(channels)
        for name in ("weight", "bias"):
            self.register_buffer(name, getattr(self, name), persistent=False)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        for name in ("weight", "bias"):  # 1 and 0, in frozen checkpoints of earlier versions
            state_dict.pop(f"{prefix}{name}", None)
        super()._load_from_state_dict(state_dict, prefix, *args)


def num_groups(channels: int) -> int:
    """Groups of a group norm: the largest divisor of `channels` that is at most 32, the paper's default."""
    return next(groups for groups in range(min(channels, 32), 0, -1) if channels % groups == 0)


class GroupNorm(nn.GroupNorm):
    """Group norm (arXiv 1803.08494) of any width and size; Detectron2's needs a multiple of 32 channels.

    torch's module refuses groups of a single value: one channel a group on a 1x1 map, as P7 of a small image may
    be. Their normalised value is 0, so the result is the bias. (N, C, H, W) -> same.
    """

    def __init__(self, channels: int):
        super().__init__(num_groups(channels), channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


NORMS = {
    "BN": nn.BatchNorm2d,
    "SyncBN": SyncBatchNorm,
    # starts as the identity: for pretrained weights only, from scratch the activations grow without bound
    "FrozenBN": FrozenBatchNorm2d,
    "GN": GroupNorm,
    "LN": ChannelLayerNorm,
}

ACTIVATIONS = {
    "ReLU": lambda: nn.ReLU(inplace=True),
    "ReLU6": lambda: nn.ReLU6(inplace=True),
    # torch's slope, with which timm trained its CSP networks; Darknet's is 0.1
    "LeakyReLU": lambda: nn.LeakyReLU(0.01, inplace=True),
    "SiLU": nn.SiLU,
    "Hardswish": nn.Hardswish,
    "GELU": nn.GELU,
}


def norm_factory(name: str):
    """What Detectron2 takes as `norm=`: a callable, channels -> module, or "" for none.

    Raises:
        ValueError: a name that is neither in NORMS nor "".
    """
    if name == "":
        return ""
    if name not in NORMS:
        raise ValueError(f'{unknown("norm", name, NORMS)}; "" is none')
    return NORMS[name]


def head_norm(name: str, num_levels: int):
    """The `norm=` of a head that `num_levels` pyramid levels share, or "".

    Batch norms keep statistics of their own for each level, in turn (arXiv 2105.07576, section 5.2).
    """
    if name == "BN":
        return lambda channels: LevelBatchNorms(num_levels, channels)
    if name != "SyncBN":
        return norm_factory(name)
    return lambda channels: CycleBatchNormList(num_levels, bn_class=NORMS[name], num_features=channels)


def get_norm(name: str, channels: int, affine: bool = True) -> nn.Module | None:
    """The norm called `name` ("BN", "SyncBN", "FrozenBN", "GN", "LN"; "" is None) of `channels` channels.

    Args:
        affine: it has learnable scales and shifts.
    """
    factory = norm_factory(name)
    if factory is FrozenBatchNorm2d and not affine:
        return UnscaledFrozenBatchNorm(channels)
    norm = factory(channels) if factory else None
    if norm is not None and not affine:
        for parameter, _ in list(norm.named_parameters()):
            norm.register_parameter(parameter, None)
        norm.affine = False
    return norm


def get_activation(name: str, inplace: bool = True) -> nn.Module:
    """The activation called `name`: a key of ACTIVATIONS, else ValueError.

    Args:
        inplace: it may overwrite its input, as behind a norm; False where something else reads that, too.
    """
    if name not in ACTIVATIONS:
        raise ValueError(unknown("activation", name, ACTIVATIONS))
    activation = ACTIVATIONS[name]()
    if not inplace:
        activation.inplace = False
    return activation
