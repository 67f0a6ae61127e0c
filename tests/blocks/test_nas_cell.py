import pytest
import torch
from torch import nn

from dense_det.blocks.nas_cell import AmoebaNetACell, NASNetACell
from dense_det.layers.conv import LayerOptions

GN = LayerOptions(norm="GN")


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def traced(make, stride):
    """What is concatenated where both inputs and each convolution are a constant of their own, of one channel."""
    cell = (make.normal if stride == 1 else make.reduction).outputs
    block = make(1, len(cell), stride=stride, options=LayerOptions(norm=""))
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(block.inputs[0].bias, 1000.0)  # h_{i-1}
    nn.init.constant_(block.inputs[1].bias, 10000.0)  # h_i
    constants = {(3, 3): 1.0, (5, 5): 10.0, (7, 7): 100.0, (1, 7): 500.0}
    for edge in block.edges:
        if isinstance(edge, nn.Sequential):
            nn.init.constant_(edge[-1].bias, constants[edge[1].kernel_size])
    block.projection.weight.data = torch.eye(len(cell)).reshape(len(cell), len(cell), 1, 1)
    y = block(torch.randn(1, 1, 5, 5))
    assert torch.equal(y, y[:, :, :1, :1].expand_as(y))  # pools leave a constant as it is, at the border, too
    return y[0, :, 0, 0].tolist()


@pytest.mark.parametrize(
    ("make", "stride", "expected"),
    [
        # h_{i-1}; sep5 + sep3; sep5 + sep3; avg h_i + h_{i-1}; avg h_{i-1} twice; sep3 + h_i
        (NASNetACell, 1, [1000, 11, 11, 11000, 2000, 10001]),
        # max h_i + sep7; avg h_i + sep5; the first + avg (sep5 + sep7); sep3 + max h_i
        (NASNetACell, 2, [10100, 10010, 10210, 10001]),
        # sep3 + avg (sep3 + sep5); sep3 + h_i; h_{i-1} + avg h_i
        (AmoebaNetACell, 1, [12, 10001, 11000]),
        # max h_{i-1} + sep7; sep7 + avg h_i; 1x7 7x1 + sep3
        (AmoebaNetACell, 2, [1100, 10100, 501]),
    ],
)
def test_sums_by_hand(make, stride, expected):
    assert traced(make, stride) == expected


def test_parameters_by_hand():
    def separable(k, f):
        return 2 * (k * k * f + f * f + 2 * f)

    f, inputs = 4, 2 * (16 * 4 + 2 * 4)
    normal = NASNetACell(16, 24, options=GN)  # f = 24 / 6
    assert num_params(normal) == inputs + 2 * separable(5, f) + 3 * separable(3, f) + 6 * f * 24 + 2 * 24
    reduction = NASNetACell(16, 16, stride=2, options=GN)  # f = 16 / 4
    expected = 2 * separable(5, f) + 2 * separable(7, f) + separable(3, f)
    assert num_params(reduction) == inputs + expected + 4 * f * 16 + 2 * 16
    normal = AmoebaNetACell(16, 12, options=GN)  # f = 12 / 3
    assert num_params(normal) == inputs + 3 * separable(3, f) + separable(5, f) + 3 * f * 12 + 2 * 12
    reduction = AmoebaNetACell(16, 12, stride=2, f=4, options=GN)
    expected = 2 * separable(3, f) + 2 * separable(7, f) + (14 * f * f + 2 * f)
    assert num_params(reduction) == inputs + expected + 3 * f * 12 + 2 * 12


@pytest.mark.parametrize("make", [NASNetACell, AmoebaNetACell])
def test_what_no_sum_reads_is_an_output(make):
    for cell in (make.normal, make.reduction):
        read = {state for pair in cell.sums for _, state in pair}
        assert set(range(2, 7)) - read <= set(cell.outputs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stride": 4}, "reduction cell of stride 2, got 4"),
        ({"options": LayerOptions(conv="deform")}, "NASNetACell has no full 3x3 to deform"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NASNetACell(8, 8, **{"options": GN, **arguments})
