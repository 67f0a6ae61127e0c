from dataclasses import replace

import pytest
import torch

from dense_det.centermask.fcos_inference import Selection, select_boxes

SELECTION = Selection(
    threshold=0.05, with_quality=False, pre_nms_topk=1000, nms_threshold=0.6, post_nms_topk=100, clip=False
)
POINTS = torch.tensor([[10.0, 10.0], [50.0, 50.0]])


def logit(p) -> torch.Tensor:
    return torch.logit(torch.tensor(p))


def run(scores, distances, qualities, selection=SELECTION, points=POINTS):
    found = select_boxes([points], [logit(scores)], [torch.tensor(distances)], [logit(qualities)], (64, 80), selection)
    return found.pred_boxes.tensor.tolist(), found.scores.tolist(), found.pred_classes.tolist()


TWO = {"scores": [[0.01, 0.64], [0.06, 0.01]], "distances": [[5.0, 5, 10, 10], [4.0, 4, 4, 4]]}


def test_the_threshold_stands_before_the_quality_and_the_score_is_a_root():
    boxes, scores, classes = run(**TWO, qualities=[0.25, 0.1])
    assert boxes == [[5, 5, 20, 20], [46, 46, 54, 54]] and classes == [1, 0]
    assert scores == pytest.approx([0.4, 0.006**0.5])
    boxes, _, classes = run(**TWO, qualities=[0.25, 0.1], selection=replace(SELECTION, with_quality=True))
    assert classes == [1]
    boxes, *_ = run([[0.05, 0.05], [0.01, 0.01]], TWO["distances"], [0.9, 0.9])
    assert boxes == []  # not above


def test_a_location_may_be_two_classes():
    _, scores, classes = run([[0.36, 0.64], [0.01, 0.01]], TWO["distances"], [0.25, 0.1])
    assert classes == [1, 0] and scores == pytest.approx([0.4, 0.3])


def test_suppression_is_within_a_class():
    same = [[5.0, 5, 10, 10], [45.0, 45, -30, -30]]  # both [5, 5, 20, 20]
    assert run([[0.01, 0.64], [0.01, 0.36]], same, [0.25, 0.25])[2] == [1]
    assert run([[0.01, 0.64], [0.36, 0.01]], same, [0.25, 0.25])[2] == [1, 0]


def test_caps_keep_the_best_by_score_times_quality():
    # 0.64 * 0.25 = 0.16 against 0.36 * 0.64 = 0.23
    pair = {"scores": [[0.01, 0.64], [0.36, 0.01]], "distances": TWO["distances"], "qualities": [0.25, 0.64]}
    assert run(**pair)[2] == [0, 1]
    assert run(**pair, selection=replace(SELECTION, post_nms_topk=1))[2] == [0]
    assert run(**pair, selection=replace(SELECTION, pre_nms_topk=1))[2] == [0]


def test_clipping():
    far = [[20.0, 20, 100, 100], [4.0, 4, 4, 4]]
    scores = [[0.01, 0.64], [0.01, 0.01]]
    assert run(scores, far, [0.25, 0.5])[0] == [[-10, -10, 110, 110]]
    assert run(scores, far, [0.25, 0.5], selection=replace(SELECTION, clip=True))[0] == [[0, 0, 80, 64]]


def test_levels_come_together_and_none_is_none():
    levels = 2
    found = select_boxes(
        [POINTS] * levels,
        [logit([[0.5], [0.01]]), logit([[0.01], [0.5]])],
        [torch.ones(2, 4)] * levels,
        [logit([0.5, 0.5])] * levels,
        (64, 80),
        SELECTION,
    )
    assert found.pred_boxes.tensor.tolist() == [[9, 9, 11, 11], [49, 49, 51, 51]] and found.image_size == (64, 80)
    assert run([[0.01, 0.01], [0.01, 0.01]], TWO["distances"], [0.5, 0.5]) == ([], [], [])
