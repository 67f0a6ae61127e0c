"""1x1 convolutions on a CPU: by oneDNN on one thread, as on several."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def dilate_pointwise(model: nn.Module) -> nn.Module:
    """`model`, changed in place: its 1x1 convolutions say that they are dilated.

    That means nothing to a single pixel, so outputs, gradients and weights stay. But on one thread torch leaves plain
    1x1 convolutions of fewer than 16 images to a loop of its own (use_mkldnn of ATen's Convolution.cpp), which copies
    channels_last to NCHW, and takes two to three times as long as oneDNN, to which it gives dilated ones. Processes of
    one thread each are how a CPU labels and trains most.
    """
    for conv in _pointwise(model):
        conv.dilation = (2, 2)
    return model


@contextmanager
def undilated(model: nn.Module) -> Iterator[None]:
    """Meanwhile 1x1 convolutions are plain again, for those who write them down."""
    changed = [(conv, conv.dilation) for conv in _pointwise(model)]
    try:
        for conv, _ in changed:
            conv.dilation = (1, 1)
        yield
    finally:
        for conv, dilation in changed:
            conv.dilation = dilation


def _pointwise(model: nn.Module) -> list[nn.Conv2d]:
    return [each for each in model.modules() if isinstance(each, nn.Conv2d) and each.kernel_size == (1, 1)]
