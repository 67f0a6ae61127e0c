import pytest
import torch
from detectron2.structures import Boxes

from dense_det.centermask.pooler import AdaptivePooler, levels_by_ratio


def levels_of(areas, image: float = 10_000) -> list[int]:
    return levels_by_ratio(torch.tensor(areas) / image, 3, 5).tolist()


def test_levels_by_the_share_of_the_image():
    # an image of 100 x 100: above 1/2, above 1/4, and up to that; the borders belong to the finer level
    assert levels_of([10_000, 5_001, 5_000, 2_501, 2_500, 1, 0]) == [2, 2, 1, 1, 0, 0, 0]


def test_each_image_has_its_own_size_and_a_box_may_be_larger():
    box = Boxes(torch.tensor([[0.0, 0, 100, 51]]))
    features = [level[:, :, :13] for level in levels(2, 256)]
    assert make()(features, [box, box], [(100, 100), (200, 100)])[:, 0, 0, 0].tolist() == [5, 14]
    assert levels_of([90_000]) == [2]


def slow_level(area: float, image: float) -> int:
    k = 3
    for level, share in ((4, 1 / 4), (5, 1 / 2)):
        if area / image > share:
            k = level
    return k - 3


def test_against_comparisons():
    areas = (torch.rand(200, generator=torch.Generator().manual_seed(0)) * 12_000).tolist()
    assert levels_of(areas) == [slow_level(area, 10_000) for area in areas]


def make(criterion="ratio") -> AdaptivePooler:
    return AdaptivePooler(resolution=2, strides=[8, 16, 32], sampling_ratio=0, criterion=criterion)


def levels(num_images=1, size=128):
    """Features of square images that are 3, 4, 5 by level, plus 10 times the image's number."""
    images = torch.arange(num_images).reshape(-1, 1, 1, 1) * 10.0
    return [(images + k).expand(num_images, 2, size // 2**k, size // 2**k) for k in (3, 4, 5)]


def test_a_box_is_pooled_from_its_level_and_image():
    whole, half, small = [0.0, 0, 128, 128], [0.0, 0, 128, 50], [0.0, 0, 20, 20]
    boxes = [Boxes(torch.tensor([small, whole])), Boxes(torch.tensor([half]))]
    pooled = make()(levels(2), boxes, [(128, 128)] * 2)
    assert pooled.shape == (3, 2, 2, 2)
    assert pooled[:, 0, 0, 0].tolist() == [3, 5, 14] and pooled.flatten(1).std(1).max() == 0


def test_the_rule_of_fpn():
    # canonical: 224 pixels a side on level 4; half of that is level 3
    sides = [111.0, 113.0, 225.0, 447.0, 449.0]
    boxes = [Boxes(torch.tensor([[0.0, 0, side, side] for side in sides]))]
    assert make("area")(levels(size=512), boxes, [(512, 512)])[:, 0, 0, 0].tolist() == [3, 3, 4, 4, 5]


@pytest.mark.parametrize("criterion", ["ratio", "area"])
def test_one_image_by_tensors_alone(criterion):
    torch.manual_seed(0)
    features = [torch.rand(1, 2, 512 // 2**k, 512 // 2**k) for k in (3, 4, 5)]
    corners = torch.rand(30, 2) * 250
    boxes = torch.cat([corners, corners + torch.rand(30, 2) * 400], 1)
    pooler = make(criterion)
    alone = pooler.pool_one_image(features, boxes, (500, 490))
    assert torch.equal(alone, pooler(features, [Boxes(boxes)], [(500, 490)]))


def ramp(dtype) -> list[torch.Tensor]:
    """Levels of an image of 1280 x 32: in p3 each column says how far it is from column 129, which starts at 1032."""
    columns = (torch.arange(160.0) - 129).expand(1, 1, 4, 160)
    return [columns.to(dtype), torch.zeros(1, 1, 2, 80, dtype=dtype), torch.zeros(1, 1, 1, 40, dtype=dtype)]


# cells of 8 pixels with their middles at 1032 and 1040: half a column before, and behind, the middle of column 129.
# In bfloat16 1028 and 1044 are 1024 and 1040.
RAMP_BOX, ON_RAMP = [1028.0, 0, 1044, 32], [-0.5, 0.5]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_coordinates_are_not_rounded_to_the_type_of_the_features(dtype):
    pooled = make()(ramp(dtype), [Boxes(torch.tensor([RAMP_BOX]))], [(32, 1280)])
    assert pooled.dtype == dtype and pooled[0, 0, 0].tolist() == pooled[0, 0, 1].tolist() == ON_RAMP


def test_coordinates_are_not_rounded_under_autocast():
    features = [feature.requires_grad_() for feature in ramp(torch.bfloat16)]
    with torch.autocast("cpu", torch.bfloat16):
        pooled = make().pool_one_image(features, torch.tensor([RAMP_BOX]), (32, 1280))
    assert pooled[0, 0, 0].tolist() == ON_RAMP
    pooled.sum().backward()
    assert features[0].grad.dtype == torch.bfloat16 and features[0].grad.sum() == 4  # of 4 cells


@pytest.mark.parametrize("strides", [[8, 32], [32, 16, 8], [8, 8], [12, 24]])
def test_levels_that_are_not_consecutive(strides):
    with pytest.raises(ValueError, match=rf"ROI_HEADS.IN_FEATURES: consecutive levels, finest first.*\[{strides[0]}, "):
        AdaptivePooler(resolution=2, strides=strides, sampling_ratio=0, criterion="ratio")


def test_no_boxes_and_an_unknown_criterion():
    assert make()(levels(), [Boxes(torch.zeros(0, 4))], [(128, 128)]).shape == (0, 2, 2, 2)
    with pytest.raises(ValueError, match="ASSIGN_CRITERION.*ratio"):
        make("ration")
