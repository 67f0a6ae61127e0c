"""Which object each anchor of a batch matches: Detectron2's rule, for all images at once."""

from collections.abc import Iterator, Sequence

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, pairwise_iou
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

PAIRS = 2**20  # of an object and an anchor, at a time, as if all images had as many objects as the one with most


@torch.no_grad()
def match_anchors(anchors: Boxes, objects: Sequence[Boxes], matcher: Matcher) -> tuple[Tensor, Tensor]:
    """What `matcher` says of the IoUs between R anchors and the objects of each of N images.

    Image by image that is forty operations on a few thousand numbers each, of which a CPU notices little but the calls.

    Returns:
        (N, R) int64: the object that an anchor overlaps most, counted through all images' objects; that of an image
            without objects means nothing.
        (N, R) int8: the matcher's label of the anchor.
    """
    matches, labels, first = [], [], 0
    for images in _heaps([len(boxes) for boxes in objects], max(1, PAIRS // max(len(anchors), 1))):
        found = _match(anchors, objects[images], matcher)
        matches.append(found[0] + first)
        labels.append(found[1])
        first += sum(map(len, objects[images]))
    return torch.cat(matches), torch.cat(labels)


def _heaps(counts: list[int], most: int) -> Iterator[slice]:
    """Neighbours, of which each could have as many objects as any of them and all together `most`; or one image."""
    start = largest = 0
    for number, count in enumerate(counts):
        largest = max(largest, count)
        if number > start and (number - start + 1) * largest > most:
            yield slice(start, number)
            start, largest = number, count
    yield slice(start, len(counts))


def _match(anchors: Boxes, objects: Sequence[Boxes], matcher: Matcher) -> tuple[Tensor, Tensor]:
    counts = [len(boxes) for boxes in objects]
    starts = torch.tensor([0, *counts[:-1]], device=anchors.device).cumsum(0)[:, None]
    iou = pairwise_iou(Boxes.cat(list(objects)), anchors)  # (M, R)
    if not len(iou):
        nothing = iou.new_zeros(len(counts), len(anchors))
        return nothing.long(), torch.full_like(nothing, matcher.labels[0], dtype=torch.int8)
    # below every IoU, so that it is nobody's best: an image without objects is background
    best, matches = pad_sequence(iou.split(counts), batch_first=True, padding_value=-1.0).max(1)
    labels = torch.ones_like(matches, dtype=torch.int8)
    for label, low, high in zip(matcher.labels, matcher.thresholds[:-1], matcher.thresholds[1:], strict=True):
        labels.masked_fill_((best >= low) & (best < high), label)
    if matcher.allow_low_quality_matches:  # an object's best anchors are its own, however little they overlap
        image = torch.arange(len(counts), device=iou.device).repeat_interleave(
            torch.tensor(counts, device=iou.device), output_size=len(iou)
        )
        number, anchor = (iou == iou.amax(1, keepdim=True)).nonzero(as_tuple=True)
        labels[image[number], anchor] = 1
    return matches + starts, labels
