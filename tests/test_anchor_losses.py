import math

import pytest
import torch
from detectron2.modeling.box_regression import Box2BoxTransform, _dense_box_regression_loss

from dense_det.anchor_losses import anchor_box_losses

TRANSFORM = Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0))


def test_by_hand():
    anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 20.0, 10.0]])
    boxes = torch.tensor([[5.0, 0.0, 15.0, 10.0], [0.0, 0.0, 20.0, 20.0]])
    still = torch.zeros(2, 4)
    # deltas to learn: (0.5, 0, 0, 0) and (0, 0.5, 0, log 2); L1 of zeros is their sum
    losses = anchor_box_losses(anchors, still, boxes, TRANSFORM, "smooth_l1", 0.0)
    assert losses.tolist() == pytest.approx([0.5, 0.5 + math.log(2)])
    # the first overlaps by 50 of 150 in a hull of 150, the second by 200 of 400 in a hull of 400
    losses = anchor_box_losses(anchors, still, boxes, TRANSFORM, "giou", 0.0)
    assert losses.tolist() == pytest.approx([2 / 3, 1 / 2])


@pytest.mark.parametrize("kind", ["smooth_l1", "giou", "diou", "ciou"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_the_sum_is_detectron2_s(kind, beta):
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(2, 50, 2, generator=generator) * 50
    anchors, boxes = (torch.cat([low, low + 5 + torch.rand(2, 50, 2, generator=generator) * 40], 2) for _ in range(2))
    anchors = anchors[0]
    deltas = torch.randn(2, 50, 4, generator=generator) * 0.3
    mask = torch.rand(2, 50, generator=generator) > 0.6
    expected = _dense_box_regression_loss([anchors], TRANSFORM, [deltas], list(boxes), mask, kind, beta)
    each = anchor_box_losses(anchors.expand(2, 50, 4)[mask], deltas[mask], boxes[mask], TRANSFORM, kind, beta)
    assert each.shape == (mask.sum(),) and each.sum().item() == pytest.approx(expected.item(), rel=1e-5)
    assert anchor_box_losses(anchors[:0], deltas[0, :0], boxes[0, :0], TRANSFORM, kind, beta).shape == (0,)


def test_an_unknown_loss_is_answered():
    with pytest.raises(ValueError, match="BBOX_REG_LOSS_TYPE.*'giou'"):
        anchor_box_losses(*[torch.zeros(0, 4)] * 3, TRANSFORM, "gious", 0.0)
