import pytest
import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, pairwise_iou

from dense_det import anchor_matching
from dense_det.anchor_matching import match_anchors

NOBODY = Boxes(torch.zeros(0, 4))


def boxes(*rows) -> Boxes:
    return Boxes(torch.tensor(rows, dtype=torch.float32))


def retinanet_matcher(low_quality: bool = True) -> Matcher:
    return Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=low_quality)


def test_by_hand():
    anchors = boxes([0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 9, 5], [50, 50, 60, 60])
    first = boxes([0, 0, 10, 10])  # IoUs 1, 0.5, 0.45, 0
    second = boxes([90, 90, 99, 99], [50, 50, 60, 52])  # with the last anchor 0 and 0.2
    matches, labels = match_anchors(anchors, [first, NOBODY, second], retinanet_matcher(low_quality=False))
    assert matches[0].tolist() == [0, 0, 0, 0] and labels[0].tolist() == [1, 1, -1, 0]
    assert labels[1].tolist() == [0, 0, 0, 0]
    assert matches[2, 3] == 2 and labels[2].tolist() == [0, 0, 0, 0]
    # an object's best anchors are its own: the last of all; of one that overlaps none, Detectron2 takes all
    _, labels = match_anchors(anchors, [NOBODY, second[1:]], retinanet_matcher())
    assert labels.tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]]
    _, labels = match_anchors(anchors, [second], retinanet_matcher())
    assert labels.tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("pairs", [1, 300, 2**20])
@pytest.mark.parametrize("low_quality", [False, True])
@pytest.mark.parametrize("counts", [[3], [0], [0, 0], [2, 0, 5, 1], [0, 4], [7, 7, 0]], ids=str)
def test_as_detectron2_image_by_image(counts, low_quality, pairs, monkeypatch):
    monkeypatch.setattr(anchor_matching, "PAIRS", pairs)
    torch.manual_seed(0)

    def some(number: int) -> Boxes:
        corners = torch.randint(0, 12, (number, 2)).float()  # coarse: many overlaps are equal
        return Boxes(torch.cat([corners, corners + torch.randint(1, 9, (number, 2))], 1))

    anchors, objects, matcher = some(120), [some(count) for count in counts], retinanet_matcher(low_quality)
    matches, labels = match_anchors(anchors, objects, matcher)
    assert matches.shape == labels.shape == (len(counts), 120)
    first = 0
    for each, match, label in zip(objects, matches, labels, strict=True):
        expected, states = matcher(pairwise_iou(each, anchors))
        assert torch.equal(label, states)
        if len(each):
            assert torch.equal(match - first, expected)
        first += len(each)


@pytest.mark.parametrize("counts", [[500, *[1] * 20], [0] * 40, [5, *[0] * 15], [1] * 20 + [500]], ids=len)
def test_no_image_is_padded_to_many_objects(counts):
    heaps = [counts[images] for images in anchor_matching._heaps(counts, 500)]
    assert [count for heap in heaps for count in heap] == counts
    assert all(len(heap) * max(heap) <= 500 for heap in heaps)


def test_indices_of_images_without_objects_are_in_reach():
    """Of one more than there are objects: what is looked up of them is never used, but it is looked up."""
    matches, _ = match_anchors(boxes([0, 0, 1, 1]), [NOBODY, boxes([0, 0, 1, 1]), NOBODY], retinanet_matcher())
    assert matches.min() >= 0 and matches.max() <= 1
