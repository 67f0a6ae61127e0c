"""Attention over channels."""

import torch
import torch.nn.functional as F
from torch import nn

from dense_det.layers.conv import init_conv


class ESE(nn.Module):
    """Effective squeeze-and-excitation (VoVNetV2, arXiv 1911.06667, section 3.2): one full-width 1x1, no bottleneck.

    (N, C, H, W) -> same: x * gate, where gate = relu6(W mean(x) + b + 3) / 6 is one number per image and channel.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.fc = init_conv(nn.Conv2d(channels, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))
