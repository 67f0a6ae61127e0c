import pytest
import torch

from dense_det.blocks.stem import ConvStem
from dense_det.layers.conv import LayerOptions


def make(depthwise):
    return ConvStem(3, (4, 6, 8), depthwise=depthwise, options=LayerOptions(norm="BN"))


def test_parameters_by_hand():
    norms = 2 * (4 + 6 + 8)
    assert sum(p.numel() for p in make(False).parameters()) == 9 * (3 * 4 + 4 * 6 + 6 * 8) + norms
    # the first convolution is a plain one in either
    assert sum(p.numel() for p in make(True).parameters()) == 9 * 3 * 4 + (9 * 4 + 4 * 6) + (9 * 6 + 6 * 8) + norms


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("size", "quarter"), [(64, 16), (61, 16), (57, 15)])
def test_stride_four(depthwise, size, quarter):
    stem = make(depthwise)
    assert (stem.out_channels, stem.stride) == (8, 4)
    assert stem(torch.zeros(2, 3, size, size)).shape == (2, 8, quarter, quarter)
