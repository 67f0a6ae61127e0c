import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from dense_det.suppression import by_class, finish, pairwise_iou, suppressed


def test_overlaps_by_hand():
    a, b = np.array([[0, 0, 10, 10], [100, 100, 120, 110]], float), np.array([[0, 0, 10, 8]], float)
    assert pairwise_iou(a, b).tolist() == [[0.8], [0]]
    assert pairwise_iou(a[:0], b).shape == (0, 1)


def test_classes_by_hand():
    found = {k: rows.tolist() for k, rows in by_class(np.array([0.1, 0.9, 0.5, 0.9]), np.array([2, 0, 2, 0]))}
    assert found == {0: [1, 3], 2: [2, 0]}


def test_suppression_by_hand():
    # 0 and 1 share 9 / 11 and so do 1 and 2, but 0 and 2 only 2 / 3; 3 touches nothing
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10], [50, 0, 60, 10]], float)
    assert [(row, members.tolist()) for row, members in suppressed(boxes, 0.7)] == [(0, [0, 1]), (2, [2]), (3, [3])]
    assert list(suppressed(boxes[:0], 0.7)) == []


@pytest.mark.parametrize("seed", range(5))
def test_keeps_what_torchvision_keeps(seed):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(0, 300, (300, 2)).astype(np.float32)
    boxes = np.concatenate([boxes, boxes + rng.uniform(20, 150, (300, 2)).astype(np.float32)], 1)
    scores, classes = rng.random(300, np.float32), rng.integers(0, 4, 300)
    mine = [index[row] for _, index in by_class(scores, classes) for row, _ in suppressed(boxes[index], 0.5)]
    theirs = batched_nms(*map(torch.from_numpy, (boxes, scores, classes)), 0.5).tolist()
    assert sorted(mine, key=lambda row: -scores[row]) == theirs


def test_finish_by_hand():
    boxes = [[-10, 0, 10, 10], [-9, 0, 11, 10], [-9, 0, 11, 10], [-20, -20, -5, -5], [30, 0, 40, 10], [5, 5, 5, 9]]
    candidates = [
        np.array(boxes, np.float32),
        np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], np.float32),
        np.array([0, 0, 1, 0, 0, 0]),
        np.arange(6) * 10,
    ]
    # the second shares 19 / 21 with the first, the third is of another class, the fourth lies beside the image, and the
    # last has no area
    found, scores, classes, others = finish(candidates, (20, 35), 0.5, 10)
    assert found.tolist() == [[0, 0, 10, 10], [0, 0, 11, 10], [30, 0, 35, 10]] and found.dtype == np.float32
    assert scores.tolist() == pytest.approx([0.9, 0.7, 0.5]) and classes.tolist() == [0, 1, 0]
    assert others.tolist() == [0, 20, 40]
    assert finish(candidates, (20, 35), 0.95, 2)[3].tolist() == [0, 10]
    # what is beside the image counts among those that are kept
    assert finish(candidates, (20, 35), 0.5, 3)[3].tolist() == [0, 20]
    assert [len(values) for values in finish([values[:0] for values in candidates], (20, 35), 0.5, 3)] == [0] * 4
