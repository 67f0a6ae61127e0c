"""Mask R-CNN's heads, for data in which not every object has a mask."""

from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, StandardROIHeads
from detectron2.structures import Instances
from torch import Tensor


@ROI_HEADS_REGISTRY.register()
class DenseDetROIHeads(StandardROIHeads):
    """Detectron2's StandardROIHeads, whose mask head learns from the objects that have masks.

    Detectron2's own takes an object that has a box alone for one with an empty mask: its mapper drops such objects,
    ours keeps their boxes and says so in gt_has_mask.
    """

    def _forward_mask(self, features: dict[str, Tensor], instances: list[Instances]):
        if self.training:
            # an image without objects has no gt_has_mask, and nothing but background
            instances = [x[x.gt_has_mask] if x.has("gt_has_mask") else x for x in instances]
        return super()._forward_mask(features, instances)
