import pytest
import torch

from dense_det.blocks.stem import ConvStem, PeleeStem, ResNetStem
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


def test_parameters_of_the_other_stems_by_hand():
    bare = LayerOptions(norm="")
    assert sum(p.numel() for p in ResNetStem(3, 8, options=bare).parameters()) == 49 * 3 * 8 + 8
    convs = (9 * 3 * 8 + 8) + (8 * 4 + 4) + (9 * 4 * 8 + 8) + (16 * 8 + 8)
    assert sum(p.numel() for p in PeleeStem(3, 8, options=bare).parameters()) == convs


@pytest.mark.parametrize("stem", [ResNetStem, PeleeStem])
@pytest.mark.parametrize(("size", "quarter"), [(64, 16), (65, 17), (62, 16), (58, 15), (1, 1)])
def test_the_other_stems_round_up(stem, size, quarter):
    stem = stem(3, 8, options=LayerOptions(norm=""))
    assert (stem.out_channels, stem.stride) == (8, 4)
    assert stem(torch.zeros(2, 3, size, size)).shape == (2, 8, quarter, quarter)


def test_pelees_stem_joins_a_bottleneck_and_the_pooled_first_convolution():
    stem = PeleeStem(3, 8, options=LayerOptions(norm=""))
    x = torch.randn(1, 3, 12, 12)
    first = stem.stem1(x)
    halves = [torch.nn.functional.max_pool2d(first, 2), stem.stem2b(stem.stem2a(first))]
    assert torch.equal(stem(x), stem.stem3(torch.cat(halves, dim=1)))
