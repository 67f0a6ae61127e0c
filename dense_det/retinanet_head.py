"""Heads of RetinaNet: Detectron2's with any norm, and a light one of 1x1 convolutions."""

import math

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from torch import Tensor, nn

from dense_det.layers.conv import init_conv
from dense_det.layers.norm import head_norm


class LightRetinaNetHead(nn.Module):
    """RetinaNetHead with 1x1 convolutions throughout: a location sees what the pyramid put there, and no neighbours.

    L tensors (N, C, H, W) -> (L tensors (N, A K, H, W) of logits, L tensors (N, 4 A, H, W) of deltas).

    Args:
        input_shape: of the L levels.
        num_classes, num_anchors: K, A.
        conv_dims: widths of the convolutions before the output.
        norm: channels -> module, or "".
        prior_prob: what every class scores at the beginning (RetinaNet, arXiv 1708.02002, section 3.3).
    """

    def __init__(
        self,
        *,
        input_shape: list[ShapeSpec],
        num_classes: int,
        num_anchors: int,
        conv_dims: list[int],
        norm="",
        prior_prob: float = 0.01,
    ):
        super().__init__()
        channels = input_shape[0].channels
        self.cls_subnet = _subnet(channels, conv_dims, norm)
        self.bbox_subnet = _subnet(channels, conv_dims, norm)
        last = [channels, *conv_dims][-1]
        self.cls_score = nn.Conv2d(last, num_anchors * num_classes, 1)
        self.bbox_pred = nn.Conv2d(last, num_anchors * 4, 1)
        for conv, bias in ((self.cls_score, -math.log((1 - prior_prob) / prior_prob)), (self.bbox_pred, 0)):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.constant_(conv.bias, bias)

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits = [self.cls_score(self.cls_subnet(x)) for x in features]
        deltas = [self.bbox_pred(self.bbox_subnet(x)) for x in features]
        return logits, deltas


def _subnet(channels: int, conv_dims: list[int], norm) -> nn.Sequential:
    layers = []
    for width in conv_dims:
        # not the 0.01 of Detectron2's 3x3: a ninth of the inputs would be a signal that fades within three layers
        layers.append(init_conv(nn.Conv2d(channels, width, 1)))
        if norm:
            layers.append(norm(width))
        layers.append(nn.ReLU(inplace=True))
        channels = width
    return nn.Sequential(*layers)


HEADS = {3: RetinaNetHead, 1: LightRetinaNetHead}


def build_retinanet_head(cfg: CfgNode, input_shape: list[ShapeSpec]) -> nn.Module:
    """The head that MODEL.RETINANET and its HEAD describe, over levels of `input_shape`.

    Raises:
        ValueError: a kernel size that no head has, a negative width, an unknown norm.
    """
    retinanet, own = cfg.MODEL.RETINANET, cfg.MODEL.RETINANET.HEAD
    if own.KERNEL_SIZE not in HEADS:
        raise ValueError(f"MODEL.RETINANET.HEAD.KERNEL_SIZE is one of {sorted(HEADS)}, got {own.KERNEL_SIZE}")
    if own.WIDTH < 0:
        raise ValueError(f"MODEL.RETINANET.HEAD.WIDTH is a number of channels, or 0: the pyramid's; got {own.WIDTH}")
    arguments = RetinaNetHead.from_config(cfg, input_shape)
    arguments["norm"] = head_norm(retinanet.NORM, num_levels=len(input_shape))
    if own.WIDTH:
        arguments["conv_dims"] = [own.WIDTH] * retinanet.NUM_CONVS
    return HEADS[own.KERNEL_SIZE](**arguments)
