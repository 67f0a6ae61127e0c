import numpy as np
import pytest
import torch
from detectron2.structures import BitMasks, Boxes, PolygonMasks

from dense_det.centermask.mask_targets import crop_masks, mask_areas, mask_iou

LEFT = [np.array([0.0, 0, 20, 0, 20, 40, 0, 40])]  # the left half of a 40 x 40 image
ALL = [np.array([0.0, 0, 40, 0, 40, 40, 0, 40])]


def both(*polygons):
    masks = PolygonMasks(list(polygons))
    return masks, BitMasks.from_polygon_masks(masks, 40, 40)


@pytest.mark.parametrize("masks", both(LEFT, ALL), ids=["polygons", "bitmaps"])
def test_crops_by_hand(masks):
    boxes = torch.tensor([[0.0, 0, 40, 40], [0.0, 0, 40, 40], [20.0, 0, 40, 40]])
    crops = crop_masks(masks, torch.tensor([0, 1, 0]), boxes, 4)
    assert crops.dtype == torch.bool
    assert crops[0].tolist() == [[True, True, False, False]] * 4
    assert crops[1].all() and not crops[2].any()


@pytest.mark.parametrize("masks", both(LEFT, ALL), ids=["polygons", "bitmaps"])
def test_areas_are_those_within_the_objects_boxes(masks):
    boxes = Boxes(torch.tensor([[0.0, 0, 40, 40], [0.0, 0, 40, 20]]))
    assert mask_areas(masks, boxes).tolist() == pytest.approx([800, 800], rel=0.03)
    assert mask_areas(masks[torch.zeros(0, dtype=torch.long)], Boxes(torch.zeros(0, 4))).shape == (0,)


def test_iou_with_the_whole_object_by_hand():
    predicted = torch.tensor([[[1, 1], [0, 0]]]).bool()
    target = torch.tensor([[[1, 0], [1, 0]]]).bool()
    box = torch.tensor([4.0])
    # 2 predicted, 1 of them right; the object has 2 cells in the box and 4 beyond it
    assert mask_iou(predicted, target, box, torch.tensor([6.0])).item() == pytest.approx(1 / 7)
    # all of it is in the box
    assert mask_iou(predicted, target, box, torch.tensor([2.0])).item() == pytest.approx(1 / 3)
    # a grid that rounds up: never less than what is seen
    assert mask_iou(predicted, target, box, torch.tensor([1.0])).item() == pytest.approx(1 / 3)
    # cells of 25 pixels
    assert mask_iou(predicted, target, 25 * box, torch.tensor([150.0])).item() == pytest.approx(1 / 7)


def test_nothing_predicted_nothing_there_and_no_area():
    nothing, one = torch.zeros(1, 2, 2).bool(), torch.ones(1, 2, 2).bool()
    assert mask_iou(nothing, one, torch.tensor([4.0]), torch.tensor([4.0])).item() == 0
    assert mask_iou(nothing, nothing, torch.tensor([4.0]), torch.tensor([0.0])).item() == 0
    assert mask_iou(one, one, torch.tensor([0.0]), torch.tensor([0.0])).item() == pytest.approx(1)
    assert mask_iou(nothing[:0], one[:0], torch.zeros(0), torch.zeros(0)).shape == (0,)
