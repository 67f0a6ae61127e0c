import pytest
import torch

from dense_det.blocks.build import build_block
from dense_det.blocks.separable import SeparableBlock
from dense_det.layers.conv import LayerOptions


def test_parameters_by_hand():
    block = SeparableBlock(6, 10, options=LayerOptions(norm="GN"))
    assert sum(p.numel() for p in block.parameters()) == 6 * 9 + 2 * 6 + 6 * 10 + 2 * 10


def test_a_norm_and_no_activation_between_the_halves():
    block = SeparableBlock(1, 1, options=LayerOptions(norm="GN"))
    with torch.no_grad():
        block.depthwise.weight.zero_()[0, 0, 1, 1] = 5.0
        block.pointwise.weight.fill_(-1.0)
    y = block(torch.tensor([[1.0, 3.0]]).reshape(1, 1, 1, 2))
    # 5, 15 are normalised to -1, 1; an activation would make 0, 1 of them, and the end 1, 0 in either case
    assert torch.allclose(block.depthwise(torch.tensor([[[[1.0, 3.0]]]])).flatten(), torch.tensor([-1.0, 1.0]))
    assert torch.allclose(y.flatten(), torch.tensor([1.0, 0.0]), atol=1e-4)


def test_squeeze_and_excitation_by_hand():
    plain = SeparableBlock(6, 32, options=LayerOptions(norm="GN"))
    gated = SeparableBlock(6, 32, se_rate=16, options=LayerOptions(norm="GN"))
    extra = sum(p.numel() for p in gated.parameters()) - sum(p.numel() for p in plain.parameters())
    assert extra == (32 * 2 + 2) + (2 * 32 + 32)
    for fc in (gated.attention.fc1, gated.attention.fc2):
        torch.nn.init.zeros_(fc.weight)
    gated.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(1, 6, 5, 5)
    assert torch.allclose(gated(x), 0.5 * plain(x))  # sigmoid(0)


@pytest.mark.parametrize(("size", "halved"), [(8, 4), (7, 4), (1, 1)])
def test_stride_two_rounds_up(size, halved):
    block = build_block("SeparableBlock", 4, 6, stride=2, options=LayerOptions(norm=""))
    assert block(torch.zeros(1, 4, size, size)).shape == (1, 6, halved, halved)


def test_dilation_spreads_the_taps_and_keeps_the_size():
    block = SeparableBlock(1, 1, dilation=2, options=LayerOptions(norm=""))
    torch.nn.init.ones_(block.depthwise.weight)
    torch.nn.init.ones_(block.pointwise.weight)
    x = torch.zeros(1, 1, 7, 7)
    x[0, 0, 3, 3] = 1
    assert block(x)[0, 0].nonzero().tolist() == [[i, j] for i in (1, 3, 5) for j in (1, 3, 5)]


def test_deformable_is_refused():
    with pytest.raises(ValueError, match="a SeparableBlock has no full 3x3 to deform"):
        SeparableBlock(4, 4, options=LayerOptions(conv="deform"))
