"""Attention over channels, and over places."""

import torch
import torch.nn.functional as F
from torch import nn

from dense_det.layers.conv import init_conv, reduced


class SE(nn.Module):
    """Squeeze-and-excitation (arXiv 1709.01507, section 3): two 1x1 with a bottleneck of channels // rate.

    (N, C, H, W) -> same: x * sigmoid(W2 relu(W1 mean(x) + b1) + b2), one number per image and channel.
    """

    def __init__(self, channels: int, rate: int = 16):
        super().__init__()
        squeezed = reduced(channels, rate)
        self.fc1 = init_conv(nn.Conv2d(channels, squeezed, 1))
        self.fc2 = init_conv(nn.Conv2d(squeezed, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


def squeeze_excitation(channels: int, rate: int) -> nn.Module:
    """What a block's `se_rate` asks for: SE of that rate (the paper's is 16), or nothing where it is 0."""
    return SE(channels, rate) if rate else nn.Identity()


class ESE(nn.Module):
    """Effective squeeze-and-excitation (VoVNetV2, arXiv 1911.06667, section 3.2): one full-width 1x1, no bottleneck.

    (N, C, H, W) -> same: x * gate, where gate = relu6(W mean(x) + b + 3) / 6 is one number per image and channel.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.fc = init_conv(nn.Conv2d(channels, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class SpatialAttention(nn.Module):
    """Which places matter (CBAM, arXiv 1807.06521, section 3; CenterMask, arXiv 1911.06667, equation 3).

    (N, C, H, W) -> same: x * sigmoid(conv(mean and maximum of x over its channels)), one number per image and place.
    """

    def __init__(self):
        super().__init__()
        self.conv = init_conv(nn.Conv2d(2, 1, 3, padding=1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(summary))
