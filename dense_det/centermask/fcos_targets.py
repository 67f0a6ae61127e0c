"""What each location of the pyramid has to learn: FCOS's assignment of objects to locations."""

from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -1  # label of locations that are not judged
FAR = 1e8  # pixels or pixels^2, more than any image has


@dataclass(frozen=True)
class Targets:
    """R locations of one image, or of a batch behind one another."""

    labels: Tensor  # (R,) class 0 ... K - 1, K where there is nothing, or IGNORED
    ltrb: Tensor  # (R, 4) pixels to the left, top, right and bottom side of the object; 0 where there is nothing
    strides: Tensor  # (R,) pixels between the neighbours of a location
    weights: Tensor  # (R,) of the object in the losses; 1 where there is nothing


def locations_of_level(height: int, width: int, stride: int, device=None) -> Tensor:
    """(H W, 2) x, y in pixels of the centres of a level's cells, row by row: stride // 2 + i * stride."""
    x = torch.arange(width, device=device) * stride + stride // 2
    y = torch.arange(height, device=device) * stride + stride // 2
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x.flatten(), grid_y.flatten()], dim=1).float()


def size_limits(sizes_of_interest, num_levels: int) -> list[tuple[float, float]]:
    """(smallest, largest] distance to a side, in pixels, that each level is responsible for.

    [64, 128] for three levels is (-1, 64], (64, 128], (128, far].

    Raises:
        ValueError: not one bound less than levels, or bounds that do not rise.
    """
    bounds = [-1, *sizes_of_interest, FAR]
    if len(bounds) != num_levels + 1 or bounds != sorted(set(bounds)):
        raise ValueError(
            f"MODEL.FCOS.SIZES_OF_INTEREST are the {num_levels - 1} rising bounds between {num_levels} levels "
            f"(MODEL.FCOS.IN_FEATURES), got {list(sizes_of_interest)}"
        )
    return list(zip(bounds[:-1], bounds[1:]))


def assign(
    locations: list[Tensor],
    strides: list[int],
    limits: list[tuple[float, float]],
    boxes: Tensor,
    classes: Tensor,
    num_classes: int,
    radius: float = 0.0,
    weights: Tensor | None = None,
) -> Targets:
    """The object that each location of an image is responsible for (FCOS, arXiv 1904.01355, section 3.1 and 3.2).

    A location takes an object when it lies in the box (near its centre, see `radius`) and the farthest side is as far
    as the limits of its level say; of several objects the one with the smallest box.

    Args:
        locations: (R_l, 2) x, y of each level.
        limits: of each level, see size_limits.
        boxes: (G, 4) xyxy; G may be 0.
        classes: (G,)
        radius: with more than 0, only locations within radius * stride of the box's centre, and within the box
            (centre sampling, FCOS's journal version, arXiv 2006.09214, section 3.1).
        weights: (G,) of the objects; None: 1.
    """
    points = torch.cat(locations)
    of_levels = [points.new_tensor([stride, *limit]) for stride, limit in zip(strides, limits, strict=True)]
    per_point = torch.cat([level.expand(len(xy), 3) for level, xy in zip(of_levels, locations, strict=True)])
    stride, smallest, largest = per_point.unbind(1)
    if not len(boxes):
        nothing = torch.full((len(points),), num_classes, dtype=torch.int64, device=points.device)
        return Targets(nothing, points.new_zeros(len(points), 4), stride, torch.ones_like(stride))
    ltrb = _distances(points, boxes[None].expand(len(points), -1, -1))  # (R, G, 4)
    inside = ltrb if radius <= 0 else _distances(points, _centre_region(boxes, stride * radius))
    farthest = ltrb.amax(2)
    mine = (inside.amin(2) > 0) & (farthest > smallest[:, None]) & (farthest <= largest[:, None])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    smallest_area, chosen = torch.where(mine, area[None], FAR).min(1)
    found = smallest_area < FAR
    return Targets(
        labels=torch.where(found, classes[chosen], num_classes),
        ltrb=ltrb[torch.arange(len(points), device=points.device), chosen] * found[:, None],
        strides=stride,
        weights=torch.ones_like(stride) if weights is None else torch.where(found, weights.to(stride)[chosen], 1.0),
    )


def ignore_regions(labels: Tensor, points: Tensor, regions: Tensor, num_classes: int) -> Tensor:
    """`labels` (R,) with IGNORED where there is nothing, but the location (R, 2) lies in one of the regions (G, 4)."""
    within = (_distances(points, regions[None].expand(len(points), -1, -1)) > 0).all(2).any(1)
    return torch.where(within & (labels == num_classes), IGNORED, labels)


def centerness(ltrb: Tensor) -> Tensor:
    """(P,) how central a location lies in its box, from (P, 4) distances (FCOS, equation 3): 1 at the centre, 0 at a
    side."""
    horizontal, vertical = ltrb[:, [0, 2]], ltrb[:, [1, 3]]
    product = (horizontal.amin(1) / horizontal.amax(1)) * (vertical.amin(1) / vertical.amax(1))
    return product.sqrt()


def _distances(points: Tensor, boxes: Tensor) -> Tensor:
    """(R, G, 4) from points (R, 2) to the sides of boxes (R, G, 4); negative outside."""
    return torch.cat([points[:, None] - boxes[..., :2], boxes[..., 2:] - points[:, None]], dim=2)


def _centre_region(boxes: Tensor, radius: Tensor) -> Tensor:
    """(R, G, 4) squares of `radius` (R,) pixels around the centres of boxes (G, 4), cut to the boxes."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    low = torch.maximum(centre - radius[:, None, None], boxes[:, :2])
    high = torch.minimum(centre + radius[:, None, None], boxes[:, 2:])
    return torch.cat([low, high], dim=2)
