import pytest
import torch

from dense_det.blocks.shuffle import ShuffleBlock
from dense_det.layers.conv import LayerOptions

PLAIN = LayerOptions(norm="")


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_by_hand():
    bn = LayerOptions(norm="BN")
    # half of eight channels pass by
    assert num_params(ShuffleBlock(8, 8, kernel_size=5, options=bn)) == 2 * (4 * 4 + 8) + 4 * 25 + 8
    both = (6 * 25 + 12 + 6 * 4 + 8) + (6 * 4 + 8 + 4 * 25 + 8 + 4 * 4 + 8)
    assert num_params(ShuffleBlock(6, 8, kernel_size=5, stride=2, options=bn)) == both


def test_the_passing_half_is_interleaved_with_the_other():
    block = ShuffleBlock(4, 4, options=PLAIN)
    for conv in block.main:
        torch.nn.init.zeros_(conv.weight)
    torch.nn.init.constant_(block.main.pointwise.bias, 7.0)
    x = torch.tensor([1.0, -2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
    assert block(x).flatten().tolist() == [1.0, 7.0, -2.0, 7.0]


@pytest.mark.parametrize(("size", "halved"), [(8, 4), (7, 4), (1, 1)])
def test_stride_two_rounds_up(size, halved):
    block = ShuffleBlock(4, 6, kernel_size=5, stride=2, options=PLAIN)
    assert block(torch.zeros(1, 4, size, size)).shape == (1, 6, halved, halved)


def test_another_width_without_a_stride_takes_both_branches():
    block = ShuffleBlock(4, 6, options=PLAIN)
    assert block(torch.zeros(1, 4, 5, 5)).shape == (1, 6, 5, 5)
    assert num_params(block.bypass) > 0 == num_params(ShuffleBlock(4, 4, options=PLAIN).bypass)


def test_what_is_refused():
    with pytest.raises(ValueError, match="out_channels is even, got 7"):
        ShuffleBlock(8, 7, options=PLAIN)
    for even in (0, 4):
        with pytest.raises(ValueError, match=f"kernel_size is odd .*, got {even}"):
            ShuffleBlock(8, 8, kernel_size=even, options=PLAIN)
    with pytest.raises(ValueError, match="a ShuffleBlock has no full 3x3 to deform"):
        ShuffleBlock(8, 8, options=LayerOptions(conv="deform"))
