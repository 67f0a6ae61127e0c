"""Backbones: importing this room registers every builder in Detectron2's BACKBONE_REGISTRY."""

from dense_det.backbones import fpn, vovnet  # noqa: F401
