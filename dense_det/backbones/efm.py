"""The Exact Fusion Model of CSPNet: a pyramid whose levels take what their neighbours see, and nothing farther."""

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN

from dense_det.backbones.fpn import build_pyramid


class EFM(FPN):
    """Exact Fusion Model (CSPNet, arXiv 1911.11929, section 3.2 and figure 6c), with FPN's parameters and keys.

    The paper gives the idea and a figure, no layers. Our reading:

    - The initial feature pyramid is each stage through a 1x1 convolution to the pyramid's width: FPN's laterals.
    - An anchor of level s wants a field of view of its own size, bounded by those of the levels below and above: so
      level s is made of s - 1, s and s + 1 (of two at either end), and no top-down path brings others.
    - Maxout (arXiv 1302.4389) compresses the concatenation of the three to the width of one: channel c is the
      largest of the three channels c. The three are affine pieces, as Maxout has them, and the concatenation,
      whose size the paper laments, is never made.
    - The finer neighbour comes by a 2x2 max pool (a maximum again), the coarser one by nearest upsampling.
    - The convolution that makes a level and the top block are FPN's, so that the two necks compare on equal terms.
    """

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.bottom_up(x)
        # FPN's lists begin with the coarsest level, in_features with the finest
        pyramid = [conv(features[f]) for conv, f in zip(self.lateral_convs[::-1], self.in_features, strict=True)]
        levels = [conv(fuse(pyramid, s)) for s, conv in enumerate(self.output_convs[::-1])]
        outputs = dict(zip(self._out_features, levels, strict=False))
        if self.top_block is not None:
            above = self.top_block({**features, **outputs}[self.top_block.in_feature])
            outputs.update(zip(self._out_features[len(levels) :], above, strict=True))
        return outputs


def fuse(pyramid: list[torch.Tensor], s: int) -> torch.Tensor:
    """Maxout over level s and its neighbours, each (N, C, H / 2^k, W / 2^k) with k its index; the shape of level s."""
    fused = pyramid[s]
    if s > 0:
        fused = torch.maximum(fused, F.max_pool2d(pyramid[s - 1], 2))
    if s + 1 < len(pyramid):
        fused = torch.maximum(fused, F.interpolate(pyramid[s + 1], scale_factor=2.0, mode="nearest"))
    return fused


@BACKBONE_REGISTRY.register()
def build_efm_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> EFM:
    """EFM over MODEL.BOTTOM_UP, with the keys of MODEL.FPN: see build_pyramid.

    Raises:
        ValueError: as build_pyramid; a FUSE_TYPE, which Maxout leaves no choice of.
    """
    if cfg.MODEL.FPN.FUSE_TYPE != "sum":
        raise ValueError(f"MODEL.FPN.FUSE_TYPE {cfg.MODEL.FPN.FUSE_TYPE!r}: EFM fuses by maximum, leave it at 'sum'")
    return build_pyramid(EFM, cfg, input_shape)
