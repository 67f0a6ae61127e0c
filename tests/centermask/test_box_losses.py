import math

import pytest
import torch

from dense_det.centermask.box_losses import box_loss, overlaps, require_box_loss

# (predicted, target) left, top, right, bottom -> intersection, union, hull
CASES = [
    ([1.0, 1, 1, 1], [1.0, 1, 3, 3], 4, 16, 16),
    ([2.0, 1, 0, 1], [0.0, 1, 2, 1], 0, 8, 8),
    ([2.0, 2, 0, 0], [0.0, 0, 2, 2], 0, 8, 16),
    ([3.0, 3, 3, 3], [3.0, 3, 3, 3], 36, 36, 36),
    ([0.0, 0, 0, 0], [1.0, 1, 1, 1], 0, 4, 4),
]


@pytest.mark.parametrize(("predicted", "target", "intersection", "union", "hull"), CASES)
def test_by_hand(predicted, target, intersection, union, hull):
    predicted, target = torch.tensor([predicted]), torch.tensor([target])
    iou, giou = overlaps(predicted, target)
    expected = (intersection + 1) / (union + 1)
    assert iou.item() == pytest.approx(expected)
    assert giou.item() == pytest.approx(expected - (hull - union) / hull)
    assert box_loss(predicted, target, "giou").item() == pytest.approx(1 - giou.item())
    assert box_loss(predicted, target, "iou").item() == pytest.approx(-math.log(expected), abs=1e-6)
    assert box_loss(predicted, target, "linear_iou").item() == pytest.approx(1 - expected, abs=1e-6)


def test_a_box_without_area_has_a_gradient_and_none_has_none():
    predicted = torch.zeros(1, 4, requires_grad=True)
    box_loss(predicted, torch.zeros(1, 4), "giou").sum().backward()
    assert predicted.grad.isfinite().all()
    assert box_loss(torch.zeros(0, 4), torch.zeros(0, 4), "iou").shape == (0,)


def test_an_unknown_loss_is_answered():
    with pytest.raises(ValueError, match="LOC_LOSS_TYPE.*giou"):
        require_box_loss("diou")
