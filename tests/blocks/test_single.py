import pytest
import torch

from dense_det.blocks.single import ConvBlock, MaxPoolBlock
from dense_det.layers.conv import LayerOptions


@pytest.mark.parametrize(("size", "halved"), [(8, 4), (7, 4), (1, 1)])
def test_stride_two_rounds_up(size, halved):
    conv = ConvBlock(3, 4, stride=2, options=LayerOptions(norm=""))
    assert conv(torch.zeros(1, 3, size, size)).shape == (1, 4, halved, halved)
    assert MaxPoolBlock(3)(torch.zeros(1, 3, size, size)).shape == (1, 3, halved, halved)
    assert (conv.stride, MaxPoolBlock(3).stride) == (2, 2)


def test_dilation_sees_five_by_five_pixels_with_nine_weights():
    block = ConvBlock(1, 1, dilation=2, options=LayerOptions(norm=""))
    torch.nn.init.ones_(block.conv.weight)
    x = torch.zeros(1, 1, 7, 7)
    x[0, 0, 3, 3] = 1
    seen = block(x)[0, 0].nonzero().tolist()
    assert seen == [[i, j] for i in (1, 3, 5) for j in (1, 3, 5)]
    assert ConvBlock(3, 4, kernel_size=1, options=LayerOptions(norm=""))(torch.zeros(1, 3, 5, 5)).shape == (1, 4, 5, 5)


def test_frozen_is_constant():
    block = ConvBlock(3, 4, options=LayerOptions(norm="BN"))
    block.freeze()
    assert not any(p.requires_grad for p in block.parameters())
