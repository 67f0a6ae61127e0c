"""Suppression within classes, by hand."""

import pytest
import torch

from dense_det.deploy.program import select_by_nms
from dense_det.deploy.selection import select

# two pairs of equal boxes; the third pair's classes differ
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [20, 0, 30, 10], [20, 0, 30, 10], [50, 0, 60, 10]])
SCORES = torch.tensor([0.5, 0.6, 0.7, 0.4, 0.05])
CLASSES = torch.tensor([0, 0, 1, 0, 1])


@pytest.mark.parametrize("select", [select, select_by_nms])
def test_by_hand(select):
    assert select(BOXES, SCORES, CLASSES, 2, 0.05, 0.5, 100).tolist() == [2, 1, 3]
    assert select(BOXES, SCORES, CLASSES, 2, 0.05, 0.5, 2).tolist() == [2, 1]
    assert select(BOXES, SCORES, CLASSES, 2, 0.0, 0.5, 100).tolist() == [2, 1, 3, 4]
    assert select(BOXES, SCORES, CLASSES, 2, 0.9, 0.5, 100).tolist() == []


def test_both_select_the_same():
    torch.manual_seed(0)
    corners = torch.rand(500, 2) * 3000
    boxes = torch.cat([corners, corners + torch.rand(500, 2) * 900], 1)
    arguments = boxes, torch.rand(500), torch.randint(40, (500,)), 40, 0.1, 0.4, 300
    assert select(*arguments).tolist() == select_by_nms(*arguments).tolist()
