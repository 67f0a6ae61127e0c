"""The mask head: Mask R-CNN's, with spatial attention."""

import torch.nn.functional as F
from detectron2.config import configurable
from detectron2.modeling.roi_heads.mask_head import ROI_MASK_HEAD_REGISTRY, MaskRCNNConvUpsampleHead
from torch import Tensor

from dense_det.layers.attention import SpatialAttention


@ROI_MASK_HEAD_REGISTRY.register()
class DenseDetSpatialAttentionMaskHead(MaskRCNNConvUpsampleHead):
    """Convolutions, spatial attention, 2x2 deconvolution, 1x1 (SAG-Mask; CenterMask, arXiv 1911.06667, section 3.2).

    (R, C, S, S) -> (R, K, 2 S, 2 S) logits of the masks of K classes, or of one for all.

    Arguments are those of Detectron2's MaskRCNNConvUpsampleHead.
    """

    @configurable
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.spatial_attention = SpatialAttention()

    def layers(self, x: Tensor) -> Tensor:
        for conv in self.conv_norm_relus:
            x = conv(x)
        return self.predictor(F.relu(self.deconv(self.spatial_attention(x))))
