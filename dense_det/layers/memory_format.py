"""How images lie in memory."""

import torch
from torch import Tensor, nn


def laid_out_as(model: nn.Module, images: Tensor) -> Tensor:
    """`images` (N, C, H, W) as channels_last, if the model's weights are: else every convolution would convert them."""
    if any(_is_channels_last(weight) for weight in model.parameters()):
        return images.contiguous(memory_format=torch.channels_last)
    return images


def _is_channels_last(weight: Tensor) -> bool:
    # 1x1 and depthwise weights are contiguous in either layout, and tell nothing
    return weight.dim() == 4 and not weight.is_contiguous() and weight.is_contiguous(memory_format=torch.channels_last)
