"""Dense connections of pre-activated layers, the blocks of DenseNet (arXiv 1608.06993)."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from dense_det.blocks.build import Block
from dense_det.layers.conv import LayerOptions, conv3x3_norm, conv_norm
from dense_det.layers.norm import UnscaledFrozenBatchNorm, get_activation, get_norm


class CifarStem(Block):
    """The paper's 3x3 for CIFAR, with stride 2, and a max pool 3x3 of stride 2; norm and activation come later.

    (N, C_in, H, W) -> (N, C_out, H / 4, W / 4), each half rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, *, options: LayerOptions):
        super().__init__(in_channels, out_channels, 4)
        self.conv = _without_norm(conv_norm(in_channels, out_channels, 3, options, stride=2))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.conv(x))


class NormAct(Block):
    """Norm and activation: what a pre-activated network gives away. (N, C, H, W) -> same.

    Args:
        affine: the norm has learnable scales and shifts.
    """

    def __init__(self, channels: int, *, affine: bool = True, options: LayerOptions):
        super().__init__(channels, channels, 1)
        self.norm = get_norm(options.norm, channels, affine) or nn.Identity()
        # without a norm it is the input itself, which others read, too, that would be overwritten
        self.activation = get_activation(options.activation, inplace=options.norm != "")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.norm(x))

    def freeze(self) -> "NormAct":
        if not getattr(self.norm, "affine", True):
            self.norm = UnscaledFrozenBatchNorm.convert_frozen_batchnorm(self.norm)
        return super().freeze()


class NormActConv(NormAct):
    """Norm, activation, convolution, of inputs that are concatenated.

    (N, C_1, H, W), (N, C_2, H, W), ... -> (N, C_out, H, W), where in_channels = C_1 + C_2 + ...

    Args:
        kernel_size: 1, or 3 (plain or deformable).
        recompute: keep neither concatenation nor norm nor activation for the backward pass, compute them again there
            (arXiv 1707.06990). The convolution is not computed again: torch stops before it.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, recompute: bool = False, options: LayerOptions
    ):
        super().__init__(in_channels, options=options)
        self.out_channels = out_channels
        self.recompute = recompute
        if kernel_size == 3:
            self.conv = _without_norm(conv3x3_norm(in_channels, out_channels, options))
        else:
            self.conv = _without_norm(conv_norm(in_channels, out_channels, kernel_size, options))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        if not (self.recompute and self.training):
            return self._forward(*inputs)
        return checkpoint(
            self._forward,
            *inputs,
            use_reentrant=False,
            preserve_rng_state=False,  # nothing here is random
            context_fn=lambda: (nullcontext(), _buffers_kept(self.norm)),
        )

    def _forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        x = torch.cat(inputs, dim=1) if len(inputs) > 1 else inputs[0]
        return self.conv(super().forward(x))


class DenseLayer(nn.Module):
    """What a layer adds: a 1x1 to bottleneck * growth, a 3x3 to growth (DenseNet-B); the 3x3 alone without bottleneck.

    (N, C_1, H, W), (N, C_2, H, W), ... -> (N, growth, H, W), where in_channels = C_1 + C_2 + ...
    """

    def __init__(
        self, in_channels: int, growth: int, *, bottleneck: int, memory_efficient: bool = False, options: LayerOptions
    ):
        super().__init__()
        # what grows with the square of the number of layers: concatenations, and what is made of them
        shared = {"recompute": memory_efficient, "options": options}
        if bottleneck:
            self.first = NormActConv(in_channels, bottleneck * growth, 1, **shared)
            self.second = NormActConv(bottleneck * growth, growth, 3, options=options)
        else:
            self.first = NormActConv(in_channels, growth, 3, **shared)
            self.second = nn.Identity()

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(*inputs))

    def norms_behind(self) -> list[tuple[nn.Module, nn.Module]]:
        """Convolutions, each with the module whose `norm` alone reads what it gives: for fold_bn."""
        return [(self.first.conv, self.second)]


class DenseBlock(Block):
    """Layers that each see the input and all layers before (figure 1), concatenated: raw, before norm and activation.

    (N, C_in, H, W) -> (N, C_in + num_layers * growth, H, W).

    Args:
        num_layers: dense layers.
        growth: channels that a layer adds, the paper's k.
        bottleneck: width of a layer's 1x1 over growth; 0 for none.
        memory_efficient: compute concatenations, and norm and activation of them, again in the backward pass.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_layers: int,
        growth: int,
        bottleneck: int,
        memory_efficient: bool = False,
        options: LayerOptions,
    ):
        super().__init__(in_channels, in_channels + num_layers * growth, 1)
        shared = {"bottleneck": bottleneck, "memory_efficient": memory_efficient, "options": options}
        self.layers = nn.ModuleList(DenseLayer(in_channels + i * growth, growth, **shared) for i in range(num_layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat(self.features(x), dim=1)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The parts of the output: the input, then what each layer adds."""
        features = [x]
        for layer in self.layers:
            features.append(layer(*features))
        return features


class AvgPoolBlock(Block):
    """Average pool 2x2. (N, C, H, W) -> (N, C, H / 2, W / 2), rounded down."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 2)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x)


class DenseTransition(AvgPoolBlock):
    """Average pool 2x2 and a 1x1 of what NormAct gives. (N, C_in, H, W) -> (N, C_out, H / 2, W / 2), rounded down."""

    def __init__(self, in_channels: int, out_channels: int, *, options: LayerOptions):
        super().__init__(in_channels)
        self.out_channels = out_channels
        self.conv = _without_norm(conv_norm(in_channels, out_channels, 1, options))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # pool, then 1x1 (the authors: 1x1, then pool): both linear, so equal, on a quarter of the pixels
        return self.conv(super().forward(x))


def _without_norm(conv: nn.Module) -> nn.Module:
    """The convolution alone, plain or deformable; it has a bias where there are no norms at all."""
    conv.norm = nn.Identity()
    return conv


@contextmanager
def _buffers_kept(module: nn.Module) -> Iterator[None]:
    """What runs inside leaves the buffers as they were: running statistics do not count a batch twice."""
    before = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)
