"""1x1 convolutions on a CPU: on one thread by oneDNN, as on several; of few pixels, in training, by matrix products."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dense_det.environment import products_lag_behind_convolutions
from dense_det.normed_conv import PLAIN_CLASSES, NormedConv2d

_PLAIN = (1, 1), (1, 1), (0, 0)  # kernel, stride, padding
SMALL = 20480  # values of an input; of one image, torch leaves those with fewer to its own loop
# of a batch, in float32: with more, oneDNN is as fast as a matrix product
FEW_PIXELS = 128 if products_lag_behind_convolutions() else 1024


class PointwiseConv2d(NormedConv2d):
    """A 1x1 convolution.

    On one thread torch has a loop of its own for 1x1 convolutions of fewer than 16 images, which copies channels_last
    to NCHW and takes two to three times as long as oneDNN (use_mkldnn of ATen's Convolution.cpp). oneDNN gets what is
    dilated, which means nothing to a single pixel, and of a small map what is several images, as its rows may be called
    where no pixel looks at another. On several threads all but small maps go there anyway, and those lose by it.

    In training oneDNN lays weights and gradients out anew for each gradient: of the upper levels of a pyramid, a few
    dozen pixels, that takes several times as long as the product itself.
    """

    def _convolve(self, x: Tensor) -> Tensor:
        on_cpu = x.device.type == "cpu" and not (torch.compiler.is_compiling() or torch.jit.is_tracing())
        channels_last = x.is_contiguous(memory_format=torch.channels_last)
        if on_cpu and channels_last and self.groups == 1 and _learns(self) and 0 < _pixels(x) <= FEW_PIXELS:
            weight = self.weight.permute(0, 2, 3, 1).reshape(len(self.weight), -1)  # so its gradient is channels_last
            return F.linear(x.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)
        if not on_cpu or torch.get_num_threads() > 1:
            return self._conv_forward(x, self.weight, self.bias)
        height = x.shape[2]
        rows = x.shape[0] == 1 and x.numel() <= SMALL and channels_last
        x = _view(x, height, 1) if rows else x
        x = F.conv2d(x, self.weight, self.bias, dilation=2, groups=self.groups)
        return _view(x, 1, height) if rows else x


def _learns(conv: nn.Conv2d) -> bool:
    learns = conv.training and conv.weight.requires_grad and torch.is_grad_enabled()
    return learns and conv.weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def _pixels(x: Tensor) -> int:
    return x.shape[0] * x.shape[2] * x.shape[3]


def _view(x: Tensor, images: int, height: int) -> Tensor:
    """(N, C, H, W) in channels_last -> (images, C, height, W) in channels_last, without a copy."""
    return x.permute(0, 2, 3, 1).reshape(images, height, x.shape[3], x.shape[1]).permute(0, 3, 1, 2)


def use_onednn(model: nn.Module) -> nn.Module:
    """`model`, changed in place: its 1x1 convolutions become PointwiseConv2d, with the same outputs, up to rounding.

    But for strided ones, which torch gives to oneDNN anyway.
    """
    for conv in model.modules():
        if type(conv) in PLAIN_CLASSES and (conv.kernel_size, conv.stride, conv.padding) == _PLAIN:
            conv.__class__ = PointwiseConv2d
    return model
