"""Suppression within classes, by hand."""

import torch

from dense_det.deploy.selection import select

# two pairs of equal boxes; the third pair's classes differ
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [20, 0, 30, 10], [20, 0, 30, 10], [50, 0, 60, 10]])
SCORES = torch.tensor([0.5, 0.6, 0.7, 0.4, 0.05])
CLASSES = torch.tensor([0, 0, 1, 0, 1])


def test_by_hand():
    assert select(BOXES, SCORES, CLASSES, 2, 0.05, 0.5, 100).tolist() == [2, 1, 3]
    assert select(BOXES, SCORES, CLASSES, 2, 0.05, 0.5, 2).tolist() == [2, 1]
    assert select(BOXES, SCORES, CLASSES, 2, 0.0, 0.5, 100).tolist() == [2, 1, 3, 4]
    assert select(BOXES, SCORES, CLASSES, 2, 0.9, 0.5, 100).tolist() == []
