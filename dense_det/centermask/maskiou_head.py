"""The head that judges masks."""

import torch
from detectron2.layers import Conv2d
from fvcore.nn import weight_init
from torch import Tensor, nn
from torch.nn import functional as F


class MaskIoUHead(nn.Module):
    """How well a mask covers its object (Mask Scoring R-CNN, arXiv 1903.00241, section 3.3).

    Features (R, C, S, S) and mask probabilities (R, 1, 2 S, 2 S) -> (R, K) IoU, one number for each class.

    Args:
        in_channels: C.
        resolution: S.
        num_classes: K.
        num_convs: 3x3 convolutions; the last has stride 2.
        conv_dim: their width.
        fc_dim: width of the two fully connected layers behind them; the first has conv_dim * (S / 2)^2 * fc_dim
            weights, most of a light detector's.

    Raises:
        ValueError: less than one convolution.
    """

    def __init__(
        self, *, in_channels: int, resolution: int, num_classes: int, num_convs: int, conv_dim: int, fc_dim: int
    ):
        super().__init__()
        if num_convs < 1:
            raise ValueError(f"MODEL.ROI_MASKIOU_HEAD.NUM_CONV is 1 or more, the last has stride 2; got {num_convs}")
        channels = in_channels + 1
        self.convs = []
        for k in range(1, num_convs + 1):
            stride = 2 if k == num_convs else 1
            conv = Conv2d(channels, conv_dim, 3, stride=stride, padding=1, activation=F.relu)
            weight_init.c2_msra_fill(conv)
            self.add_module(f"maskiou_fcn{k}", conv)
            self.convs.append(conv)
            channels = conv_dim
        size = -(-resolution // 2)
        self.maskiou_fc1 = nn.Linear(conv_dim * size**2, fc_dim)
        self.maskiou_fc2 = nn.Linear(fc_dim, fc_dim)
        self.maskiou = nn.Linear(fc_dim, num_classes)
        for layer in (self.maskiou_fc1, self.maskiou_fc2):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.maskiou.weight, std=0.01)
        nn.init.zeros_(self.maskiou.bias)

    def forward(self, features: Tensor, masks: Tensor) -> Tensor:
        x = torch.cat([features, F.max_pool2d(masks, 2)], dim=1)
        for conv in self.convs:
            x = conv(x)
        x = F.relu(self.maskiou_fc1(x.flatten(1)))
        return self.maskiou(F.relu(self.maskiou_fc2(x)))
