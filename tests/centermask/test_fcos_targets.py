import pytest
import torch

from dense_det.centermask.fcos_targets import (
    FAR,
    IGNORED,
    assign,
    centerness,
    ignore_regions,
    locations_of_level,
    size_limits,
)

ALL = [(-1.0, FAR)]
# a 4 x 4 grid of stride 8: locations at 4, 12, 20, 28
GRID = [locations_of_level(4, 4, 8)]
LARGE, SMALL = [0.0, 0.0, 32.0, 32.0], [8.0, 8.0, 24.0, 24.0]


def run(boxes, classes, limits=ALL, radius=0.0):
    targets = assign(GRID, [8], limits, torch.tensor(boxes).reshape(-1, 4), torch.tensor(classes), 2, radius)
    return targets.labels.reshape(4, 4).tolist(), targets.ltrb.reshape(4, 4, 4)


def test_locations_by_hand():
    assert locations_of_level(2, 3, 8).tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    assert locations_of_level(1, 1, 128).tolist() == [[64, 64]]


def test_of_two_objects_the_smaller_box_takes_a_location():
    labels, ltrb = run([LARGE, SMALL], [1, 0])
    assert labels == [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    assert ltrb[0, 0].tolist() == [4, 4, 28, 28]
    assert ltrb[1, 2].tolist() == [12, 4, 4, 12]  # x = 20, y = 12 in the small box
    assert run([SMALL, LARGE], [0, 1])[0] == labels


def test_a_level_takes_distances_up_to_its_bound_and_not_from_it():
    # the farthest sides of the small box are 12 away from the inner locations, those of the large one 20 or 28
    assert run([SMALL], [0], limits=[(-1, 12)])[0][1] == [2, 0, 0, 2]
    assert run([SMALL], [0], limits=[(12, FAR)])[0] == [[2] * 4] * 4
    assert run([LARGE, SMALL], [1, 0], limits=[(12, 20)])[0] == [[2] * 4, [2, 1, 1, 2], [2, 1, 1, 2], [2] * 4]


def test_centre_sampling_by_hand():
    # the centre is (16, 16): 4 pixels away in x and y; the border of the region is outside
    assert run([LARGE], [1], radius=0.5)[0] == [[2] * 4] * 4
    assert run([LARGE], [1], radius=0.6)[0] == [[2] * 4, [2, 1, 1, 2], [2, 1, 1, 2], [2] * 4]
    # the region ends with the box
    labels, ltrb = run([[10.0, 10.0, 14.0, 14.0]], [1], radius=10.0)
    assert labels[1] == [2, 1, 2, 2] and sum(row.count(1) for row in labels) == 1
    assert ltrb[1, 1].tolist() == [2, 2, 2, 2] and ltrb.sum() == 8


def test_no_object_and_a_box_without_area():
    labels, ltrb = run([], [])
    assert labels == [[2] * 4] * 4 and not ltrb.any()
    assert run([[12.0, 12.0, 12.0, 30.0]], [1])[0] == [[2] * 4] * 4


def test_bounds():
    assert size_limits([64, 128], 3) == [(-1, 64), (64, 128), (128, FAR)]
    for wrong in ([64], [128, 64], [64, 64]):
        with pytest.raises(ValueError, match="2 rising bounds between 3 levels"):
            size_limits(wrong, 3)


def test_centerness_by_hand():
    ltrb = torch.tensor([[5.0, 5, 5, 5], [1, 2, 4, 8], [0, 3, 6, 3]])
    # sqrt(1/4 * 2/8)
    assert centerness(ltrb).tolist() == pytest.approx([1, 0.25, 0])


def slow_assign(points, of_level, strides, limits, boxes, classes, num_classes, radius):
    labels, ltrb = [], []
    for (x, y), level in zip(points, of_level, strict=True):
        best = None
        for (x0, y0, x1, y1), k in zip(boxes, classes, strict=True):
            sides = [x - x0, y - y0, x1 - x, y1 - y]
            reach = radius * strides[level]
            cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
            region = (max(cx - reach, x0), max(cy - reach, y0), min(cx + reach, x1), min(cy + reach, y1))
            near = region[0] < x < region[2] and region[1] < y < region[3] if radius else min(sides) > 0
            area = (x1 - x0) * (y1 - y0)
            if near and limits[level][0] < max(sides) <= limits[level][1] and (best is None or area < best[0]):
                best = (area, k, sides)
        labels.append(best[1] if best else num_classes)
        ltrb.append(best[2] if best else [0.0] * 4)
    return labels, ltrb


@pytest.mark.parametrize("radius", [0.0, 1.5])
@pytest.mark.parametrize("seed", range(4))
def test_against_loops(seed, radius):
    generator = torch.Generator().manual_seed(seed)
    strides, limits = [8, 16, 32], size_limits([24, 48], 3)
    locations = [locations_of_level(96 // s, 128 // s, s) for s in strides]
    corner, side = torch.rand(6, 2, generator=generator) * 90, torch.rand(6, 2, generator=generator) * 70 + 1
    boxes, classes = torch.cat([corner, corner + side], 1), torch.randint(5, (6,), generator=generator)
    targets = assign(locations, strides, limits, boxes, classes, 5, radius)
    of_level = [level for level, xy in enumerate(locations) for _ in xy]
    points = torch.cat(locations).tolist()
    labels, ltrb = slow_assign(points, of_level, strides, limits, boxes.tolist(), classes.tolist(), 5, radius)
    assert targets.labels.tolist() == labels and 5 in labels and len(set(labels)) > 2
    assert torch.allclose(targets.ltrb, torch.tensor(ltrb), atol=1e-4)
    assert targets.strides.tolist() == [strides[level] for level in of_level]


def test_locations_in_an_ignore_region_are_not_judged():
    points = torch.tensor([[4.0, 4.0], [12.0, 4.0], [20.0, 4.0], [28.0, 4.0]])
    labels = torch.tensor([0, 2, 2, 2])
    regions = torch.tensor([[0.0, 0.0, 16.0, 8.0], [20.0, 0.0, 24.0, 8.0]])  # the third point lies on a border
    assert ignore_regions(labels, points, regions, num_classes=2).tolist() == [0, IGNORED, 2, 2]
