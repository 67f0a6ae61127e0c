"""Backbones: importing this room registers every builder in Detectron2's BACKBONE_REGISTRY."""

from dense_det.backbones import (  # noqa: F401
    blocknet,
    cspdensenet,
    cspnet,
    densenet,
    efm,
    fpn,
    peleenet,
    snet,
    thundernet,
    vovnet,
)
