"""RoIs from the level of the pyramid that suits their size."""

import torch
import torch.nn.functional as F
from detectron2.layers import ROIAlign
from detectron2.modeling.poolers import convert_boxes_to_pooler_format
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
        ValueError: another criterion, or strides that are not so.
    """

    def __init__(self, *, resolution: int, strides: list[int], sampling_ratio: int, criterion: str):
        super().__init__()
        if criterion not in CRITERIA:
            raise ValueError(f"MODEL.ROI_MASK_HEAD.ASSIGN_CRITERION: {unknown('criterion', criterion, CRITERIA)}")
        self.criterion = criterion
        self.resolution = resolution
        self.min_level, self.max_level = (stride.bit_length() - 1 for stride in (strides[0], strides[-1]))
        if strides != [2**k for k in range(self.min_level, self.max_level + 1)]:
            raise ValueError(
                f"MODEL.ROI_HEADS.IN_FEATURES: consecutive levels, finest first, as p3, p4, p5: each has twice the "
                f"stride of the one before, got strides {strides}"
            )
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
        areas = torch.cat([box.area() for box in boxes])
        shares = torch.cat(
            [box.area() / (height * width) for box, (height, width) in zip(boxes, image_sizes, strict=True)]
        )
        return self.pool(features, convert_boxes_to_pooler_format(boxes), areas, shares)

    def pool_one_image(self, features: list[Tensor], boxes: Tensor, size) -> Tensor:
        """The same by tensors alone, for graphs: boxes (R, 4) xyxy of the one image that `features` (1, C, H, W) show.

        Args:
            size: (height, width) of the image without padding, in pixels.
        """
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return self.pool(features, F.pad(boxes, (1, 0)), areas, areas / (size[0] * size[1]))

    def pool(self, features: list[Tensor], rois: Tensor, areas: Tensor, shares: Tensor) -> Tensor:
        """(R, C, resolution, resolution) of rois (R, 5): number of the image, xyxy; in the features' type.

        Args:
            areas: (R,) of the boxes, in pixels.
            shares: (R,) of the boxes' images that they cover.
        """
        if self.criterion == "ratio":
            levels = levels_by_ratio(shares, self.min_level, self.max_level)
        else:
            levels = levels_by_area(areas, self.min_level, self.max_level)
        # not len(): an export would take it for a constant
        pooled = features[0].new_zeros(rois.shape[0], features[0].shape[1], self.resolution, self.resolution)
        for level, (feature, pool) in enumerate(zip(features, self.level_poolers, strict=True)):
            rows = torch.nonzero(levels == level)[:, 0]
            # ROIAlign rounds the RoIs to the features' type: in bfloat16 1028 pixels are 1024
            of_level = pool(feature.float(), rois[rows]).to(pooled.dtype)
            pooled = pooled.index_put((rows,), of_level)
        return pooled


def levels_by_ratio(shares: Tensor, min_level: int, max_level: int) -> Tensor:
    """(R,) place of the level of each box, by the share of its image that it covers: 0 is `min_level`.

    Equation 2 of CenterMask (arXiv 1911.06667): k = ceil(k_max - log2(A_image / A_box)), so that more than half of
    the image is the coarsest level's, more than a quarter the next one's, whatever the image's size in pixels.
    """
    return _places(torch.ceil(max_level + torch.log2(shares)), min_level, max_level)


def levels_by_area(areas: Tensor, min_level: int, max_level: int) -> Tensor:
    """(R,) place of the level of each box, by its area in pixels: 224 x 224 is level 4's (FPN, arXiv 1612.03144,
    equation 1)."""
    return _places(torch.floor(4 + torch.log2(areas.sqrt() / 224 + 1e-8)), min_level, max_level)


def _places(levels: Tensor, min_level: int, max_level: int) -> Tensor:
    return levels.clamp(min_level, max_level).to(torch.int64) - min_level
