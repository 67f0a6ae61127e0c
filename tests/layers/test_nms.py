import pytest
import torch
from detectron2.layers import batched_nms

from dense_det.layers import nms
from dense_det.layers.nms import best_by_nms


def row(count: int) -> torch.Tensor:
    """`count` boxes side by side."""
    left = 10.0 * torch.arange(count)
    return torch.stack([left, left * 0, left + 10, left * 0 + 10], dim=1)


def test_by_hand():
    boxes = row(20)
    boxes[19] = boxes[3] + 1  # overlaps by 81 / 119
    scores = torch.linspace(1, 0.05, 20)
    scores[19] = 2.0
    classes = torch.zeros(20, dtype=torch.int64)
    assert best_by_nms(boxes, scores, classes, 0.5, 4).tolist() == [19, 0, 1, 2]
    assert best_by_nms(boxes, scores, classes, 0.5, 5).tolist() == [19, 0, 1, 2, 4]
    classes[3] = 1
    assert best_by_nms(boxes, scores, classes, 0.5, 5).tolist() == [19, 0, 1, 2, 3]


@pytest.mark.parametrize("num_classes", [1, 7])
@pytest.mark.parametrize("spread", [5, 100, 3000])
@pytest.mark.parametrize("ties", [False, True])
def test_the_boxes_are_those_of_the_whole_suppression(num_classes, spread, ties):
    """Few boxes stay where all lie on each other, all where none does, and ties come in the same order."""
    generator = torch.Generator().manual_seed(spread)
    corners = torch.rand(700, 2, generator=generator) * spread
    boxes = torch.cat([corners, corners + 5 + 20 * torch.rand(700, 2, generator=generator)], dim=1)
    scores = torch.rand(700, generator=generator)
    scores = (scores * 9).round() if ties else scores
    classes = torch.randint(num_classes, (700,), generator=generator)
    for most in (1, 50, 100, 700):
        expected = batched_nms(boxes, scores, classes, 0.5)[:most]
        assert torch.equal(best_by_nms(boxes, scores, classes, 0.5, most), expected)


def test_no_box_below_those_wanted_is_compared(monkeypatch):
    seen = []

    def spy(boxes, *rest):
        seen.append(len(boxes))
        return batched_nms(boxes, *rest)

    monkeypatch.setattr(nms, "batched_nms", spy)
    classes = torch.zeros(700, dtype=torch.int64)
    best_by_nms(row(700), torch.rand(700), classes, 0.5, 100)
    assert seen == [300]
    best_by_nms(row(1).repeat(700, 1), torch.rand(700), classes, 0.5, 100)
    assert seen == [300, 300, 700]


@pytest.mark.parametrize("count", [5, 700])
def test_below_zero_there_is_no_limit_and_zero_is_refused(count):
    scores, classes = torch.linspace(1, 0.05, count), torch.zeros(count, dtype=torch.int64)
    assert best_by_nms(row(count), scores, classes, 0.5, -1).tolist() == list(range(count))
    with pytest.raises(ValueError, match="DETECTIONS_PER_IMAGE.* got 0"):
        best_by_nms(row(count), scores, classes, 0.5, 0)


def test_nothing_gives_nothing():
    assert best_by_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), 0.5, 9).tolist() == []
