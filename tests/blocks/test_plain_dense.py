import pytest
import torch
from torch import nn

from dense_det.blocks.plain_dense import PlainDenseBlock
from dense_det.layers.conv import LayerOptions


def test_each_layer_sees_all_before_it():
    block = PlainDenseBlock(1, 4, f=1, d=3, options=LayerOptions(norm=""))
    for conv in block.convs:
        nn.init.zeros_(conv.weight)
        conv.weight.data[:, :, 1, 1] = 1.0  # each layer adds up what it sees
    block.transition.weight.data = torch.eye(4).reshape(4, 4, 1, 1)
    # 1, then 1, then 1 + 1, then 1 + 1 + 2
    assert block(torch.ones(1, 1, 1, 1)).flatten().tolist() == [1.0, 1.0, 2.0, 4.0]


def test_parameters_by_hand():
    # d=5 layers of f=32
    layers = sum(9 * (16 + i * 32) * 32 + 2 * 32 for i in range(5))
    block = PlainDenseBlock(16, 24, options=LayerOptions())
    assert sum(p.numel() for p in block.parameters()) == layers + (16 + 5 * 32) * 24 + 2 * 24


def test_stride_two_is_a_mean_of_two_by_two():
    block = PlainDenseBlock(1, 1, stride=2, f=1, d=1, options=LayerOptions(norm=""))
    x = torch.tensor([[1.0, 3.0, 5.0], [1.0, 3.0, 7.0], [4.0, 4.0, 9.0]]).reshape(1, 1, 3, 3)
    assert block.pool(x)[0, 0].tolist() == [[2.0, 6.0], [4.0, 9.0]]
    assert block(x).shape == (1, 1, 2, 2)


@pytest.mark.parametrize("arguments", [{"d": 0}, {"f": 0}])
def test_what_is_refused(arguments):
    with pytest.raises(ValueError, match="1 or more, got"):
        PlainDenseBlock(8, 8, options=LayerOptions(), **arguments)
