"""Batch norms folded into the convolutions before them: the same outputs in inference, without the norms' passes."""

import copy

import torch
from detectron2.layers import CycleBatchNormList, FrozenBatchNorm2d
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

_BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, FrozenBatchNorm2d)


def fold_bn(model: nn.Module) -> nn.Module:
    """`model`, changed in place: W' = W s and b' = b s + shift, where the norm is x s + shift with its statistics.

    Folded are the `norm` of a convolution (Detectron2's Conv2d), of a module around a deformable one, a norm right
    behind a convolution in a Sequential, one for each pyramid level too, and what a module names by `norms_behind`.
    Group and layer norms stay, and norms of what several layers read (the first of DenseNet's).
    Outputs are equal up to rounding. For inference alone: the parameters are no longer those of a checkpoint.

    Raises:
        ValueError: a batch norm in training mode, whose statistics are those of the batch.
    """
    training = [name for name, module in model.named_modules() if _is_batch_norm(module) and _is_training(module)]
    if training:
        raise ValueError(
            f"batch norms fold in inference only, and {len(training)} are in training mode ({training[0]}, ...): "
            "call model.eval() first, and load the weights before"
        )
    for module in list(model.modules()):
        norm = getattr(module, "norm", None)
        if isinstance(module, nn.Conv2d) and _is_batch_norm(norm):
            _fold(module, *_scale_and_shift(norm))
            module.norm = None
        elif isinstance(getattr(module, "conv", None), DeformConv2d) and _is_batch_norm(norm):
            _fold(module.conv, *_scale_and_shift(norm))
            module.norm = nn.Identity()
        elif isinstance(module, nn.Sequential):
            _fold_neighbours(module)
        elif hasattr(module, "norms_behind"):
            _fold_behind(module.norms_behind())
    return model


class LevelConvs(nn.ModuleList):
    """The convolutions that a shared one and a norm for each pyramid level come to, in turn like those norms."""

    def __init__(self, convs):
        super().__init__(convs)
        self._next = 0

    def forward(self, x: Tensor) -> Tensor:
        conv = self[self._next]
        self._next = (self._next + 1) % len(self)
        return conv(x)


def _fold_neighbours(layers: nn.Sequential) -> None:
    for place in range(len(layers) - 1):
        conv, norm = layers[place], layers[place + 1]
        if not isinstance(conv, nn.Conv2d) or getattr(conv, "norm", None) or getattr(conv, "activation", None):
            continue
        if _is_batch_norm(norm):
            _fold(conv, *_scale_and_shift(norm))
        elif isinstance(norm, CycleBatchNormList) and all(map(_is_batch_norm, norm)):
            convs = [copy.deepcopy(conv) for _ in norm]
            for own, level in zip(convs, norm, strict=True):
                scale, shift = _scale_and_shift(level)
                if norm._affine:
                    weight = norm.weight.double()
                    scale, shift = scale * weight, shift * weight + norm.bias.double()
                _fold(own, scale, shift)
            layers[place] = LevelConvs(convs)
        else:
            continue
        layers[place + 1] = nn.Identity()


def _fold_behind(pairs: list[tuple[nn.Module, nn.Module]]) -> None:
    for conv, reader in pairs:
        if _is_batch_norm(norm := getattr(reader, "norm", None)):
            _fold(conv, *_scale_and_shift(norm))
            reader.norm = nn.Identity()


def _is_batch_norm(module) -> bool:
    """A norm that is a fixed linear map in inference: not one without statistics."""
    return isinstance(module, _BATCH_NORMS) and module.running_mean is not None


def _is_training(norm: nn.Module) -> bool:
    return norm.training and not isinstance(norm, FrozenBatchNorm2d)


@torch.no_grad()
def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """(C,) float64 s and shift of x s + shift."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    return scale, shift if norm.bias is None else shift + norm.bias.double()


@torch.no_grad()
def _fold(conv: nn.Module, scale: Tensor, shift: Tensor) -> None:
    weight = conv.weight
    if conv.bias is not None:
        shift = shift + conv.bias.double() * scale
    # copy_ keeps the memory format
    weight.copy_(weight.double() * scale[:, None, None, None])
    conv.bias = nn.Parameter(shift.to(weight.dtype), requires_grad=weight.requires_grad)
