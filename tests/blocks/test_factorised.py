import pytest
import torch
from torch import nn

from dense_det.blocks.factorised import FactorisedBlock
from dense_det.layers.conv import LayerOptions


def test_a_point_becomes_a_square():
    block = FactorisedBlock(1, 1, options=LayerOptions(norm=""))
    nn.init.ones_(block.column.weight)
    nn.init.ones_(block.row.weight)
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1.0
    expected = torch.zeros(9, 9)
    expected[2:7, 2:7] = 1.0
    assert torch.equal(block(x)[0, 0], expected)


def test_parameters_by_hand():
    block = FactorisedBlock(8, 12, k=7, options=LayerOptions())
    assert sum(p.numel() for p in block.parameters()) == 7 * 8 * 12 + 7 * 12 * 12 + 2 * (12 + 12)


def test_each_half_strides_one_way():
    block = FactorisedBlock(4, 4, stride=2, options=LayerOptions())
    assert block.column(torch.zeros(2, 4, 9, 6)).shape == (2, 4, 5, 6)
    assert block(torch.zeros(2, 4, 9, 6)).shape == (2, 4, 5, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"k": 4}, "k is odd, got 4"), ({"options": LayerOptions(conv="deform")}, "no full 3x3 to deform")],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FactorisedBlock(8, 8, **{"options": LayerOptions(), **arguments})
