"""RoIs from the level of the pyramid that suits their size."""

import torch
from detectron2.layers import ROIAlign
from detectron2.modeling.poolers import assign_boxes_to_levels, convert_boxes_to_pooler_format
from detectron2.structures import Boxes
from torch import Tensor, nn

from dense_det.suggest import unknown

CRITERIA = ("ratio", "area")


class AdaptivePooler(nn.Module):
    """RoIAlign of each box from one level, chosen by its share of the image (CenterMask, section 3.3) or its area.

    Args:
        resolution: height and width of the result, in cells.
        strides: of the levels, finest first, each twice the one before.
        sampling_ratio: samples along each side of a cell; 0 takes as many as it has pixels.
        criterion: "ratio" (levels_by_ratio) or "area" (FPN, arXiv 1612.03144, equation 1).

    Raises:
        ValueError: another criterion.
    """

    def __init__(self, *, resolution: int, strides: list[int], sampling_ratio: int, criterion: str):
        super().__init__()
        if criterion not in CRITERIA:
            raise ValueError(f"MODEL.ROI_MASK_HEAD.ASSIGN_CRITERION: {unknown('criterion', criterion, CRITERIA)}")
        self.criterion = criterion
        self.resolution = resolution
        self.min_level, self.max_level = (stride.bit_length() - 1 for stride in (strides[0], strides[-1]))
        assert strides == [2**k for k in range(self.min_level, self.max_level + 1)], strides
        self.level_poolers = nn.ModuleList(
            ROIAlign(resolution, 1 / stride, sampling_ratio, aligned=True) for stride in strides
        )

    def forward(self, features: list[Tensor], boxes: list[Boxes], image_sizes: list[tuple[int, int]]) -> Tensor:
        """(R, C, resolution, resolution) of the R boxes of all N images.

        Args:
            features: (N, C, H, W) of each level.
            boxes: of each image, in pixels.
            image_sizes: (height, width) of each image, without padding, in pixels.
        """
        rois = convert_boxes_to_pooler_format(boxes)
        if self.criterion == "ratio":
            levels = levels_by_ratio(boxes, image_sizes, self.min_level, self.max_level)
        else:
            levels = assign_boxes_to_levels(
                boxes, self.min_level, self.max_level, canonical_box_size=224, canonical_level=4
            )
        pooled = features[0].new_zeros(len(rois), features[0].shape[1], self.resolution, self.resolution)
        for level, (feature, pool) in enumerate(zip(features, self.level_poolers, strict=True)):
            rows = torch.nonzero(levels == level)[:, 0]
            pooled = pooled.index_put((rows,), pool(feature, rois[rows]))
        return pooled


def levels_by_ratio(boxes: list[Boxes], image_sizes: list[tuple[int, int]], min_level: int, max_level: int) -> Tensor:
    """(R,) place of the level of each box: 0 is `min_level`.

    Equation 2 of CenterMask (arXiv 1911.06667): k = ceil(k_max - log2(A_image / A_box)), so that more than half of
    the image is the coarsest level's, more than a quarter the next one's, whatever the image's size in pixels.
    """
    shares = torch.cat([box.area() / (height * width) for box, (height, width) in zip(boxes, image_sizes, strict=True)])
    levels = torch.ceil(max_level + torch.log2(shares))
    return levels.clamp(min_level, max_level).to(torch.int64) - min_level
