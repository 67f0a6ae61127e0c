"""Strided depthwise convolutions that learn in bfloat16 on a CPU: themselves in float32."""

import torch
from torch import Tensor, nn

from dense_det.normed_conv import PLAIN_CLASSES, NormedConv2d


class StridedDepthwiseConv2d(NormedConv2d):
    """A strided depthwise convolution with the `norm` and `activation` that Detectron2's Conv2d has.

    oneDNN has no fast gradient of its input in bfloat16, and takes 11 to 32 times as long for it as in float32 (3x3,
    24 to 128 channels, a Xeon with AMX). Under autocast this one convolves in float32, and what it returns has
    autocast's type. Forward alone bfloat16 is as fast, and keeps it.
    """

    def _convolve(self, x: Tensor) -> Tensor:
        learns = x.requires_grad and torch.is_grad_enabled()
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or not learns:
            return self._conv_forward(x, self.weight, self.bias)
        dtype = torch.get_autocast_dtype("cpu")
        with torch.autocast("cpu", enabled=False):
            return self._conv_forward(x.float(), self.weight, self.bias).to(dtype)


def use_float32(model: nn.Module) -> nn.Module:
    """`model`, changed in place: its strided depthwise convolutions become StridedDepthwiseConv2d."""
    for conv in model.modules():
        if type(conv) in PLAIN_CLASSES and conv.groups == conv.in_channels > 1 and max(conv.stride) > 1:
            conv.__class__ = StridedDepthwiseConv2d
    return model
