"""FCOS's head: what it says of every location."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dense_det.layers.conv import LayerOptions, conv3x3_norm
from dense_det.layers.norm import head_norm


class Scale(nn.Module):
    """x * s with a learnable number s, one for each level: the levels share convolutions, not the range of sizes."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class FCOSHead(nn.Module):
    """Two towers of 3x3 convolutions shared by all levels (FCOS, arXiv 1904.01355, figure 2, in CenterMask2's form).

    L tensors (N, C, H, W) -> L logits (N, K, H, W), L distances (N, 4, H, W), L qualities (N, 1, H, W): logits of the
    classes; left, top, right, bottom, never negative; the logit of the centre-ness (or of the IoU) of that box, made
    by the box tower.

    Args:
        in_channels: C, the width of the pyramid and of the towers.
        num_levels: L.
        num_cls_convs, num_box_convs, num_share_convs: convolutions of either tower, and before both.
        norm: of the towers: GN or any other name of layers/norm.py, or "".
        deformable: the last convolution of each tower is a modulated deformable one.
        use_scale: a Scale for each level.
        use_relu: distances are relu(x), in strides of the level; else exp(x), in pixels, as in CenterMask's first
            version.
        prior_prob: what every class scores at the beginning (arXiv 1708.02002, section 3.3).
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_levels: int,
        num_classes: int,
        num_cls_convs: int = 4,
        num_box_convs: int = 4,
        num_share_convs: int = 0,
        norm: str = "GN",
        deformable: bool = False,
        use_scale: bool = True,
        use_relu: bool = True,
        prior_prob: float = 0.01,
    ):
        super().__init__()
        self.use_relu = use_relu
        make_norm = head_norm(norm, num_levels)
        self.share_tower = _tower(in_channels, num_share_convs, make_norm, deformable)
        self.cls_tower = _tower(in_channels, num_cls_convs, make_norm, deformable)
        self.bbox_tower = _tower(in_channels, num_box_convs, make_norm, deformable)
        self.cls_logits = nn.Conv2d(in_channels, num_classes, 3, padding=1)
        self.bbox_pred = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.ctrness = nn.Conv2d(in_channels, 1, 3, padding=1)
        self.scales = nn.ModuleList(Scale() if use_scale else nn.Identity() for _ in range(num_levels))
        for conv in (self.cls_logits, self.bbox_pred, self.ctrness):
            _init(conv)
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - prior_prob) / prior_prob))

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        logits, distances, qualities = [], [], []
        for feature, scale in zip(features, self.scales, strict=True):
            feature = self.share_tower(feature)
            boxes = self.bbox_tower(feature)
            distance = scale(self.bbox_pred(boxes))
            logits.append(self.cls_logits(self.cls_tower(feature)))
            distances.append(F.relu(distance) if self.use_relu else distance.exp())
            qualities.append(self.ctrness(boxes))
        return logits, distances, qualities


def _tower(channels: int, num_convs: int, make_norm, deformable: bool) -> nn.Sequential:
    layers = []
    for index in range(num_convs):
        if deformable and index == num_convs - 1:
            layers.append(conv3x3_norm(channels, channels, LayerOptions(norm="", conv="deform")))
        else:
            layers.append(_init(nn.Conv2d(channels, channels, 3, padding=1)))
        if make_norm:
            layers.append(make_norm(channels))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _init(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.zeros_(conv.bias)
    return conv
