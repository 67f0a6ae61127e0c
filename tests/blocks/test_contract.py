"""The contract of a block, for every block that is registered."""

import inspect

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d
from torch import nn

import dense_det.blocks  # noqa: F401  registers
from dense_det.blocks.build import BLOCK_REGISTRY, build_block
from dense_det.layers.attention import SE
from dense_det.layers.conv import DeformableConv, LayerOptions

BLOCKS = sorted(name for name, _ in BLOCK_REGISTRY)

# for arguments without a default, by their names
REQUIRED = {
    "mid_channels": 8,
    "num_convs": 2,
    "num_layers": 2,
    "num_blocks": 1,
    "growth": 8,
    "residual": "bottleneck",
    "expanded": 24,
    "down_channels": 16,
}
WITH_SE = [name for name in BLOCKS if "se_rate" in inspect.signature(BLOCK_REGISTRY.get(name)).parameters]


def make(name, in_channels, out_channels, stride, norm="BN", conv="plain", **own):
    for parameter in inspect.signature(BLOCK_REGISTRY.get(name)).parameters.values():
        if parameter.default is parameter.empty and parameter.name in REQUIRED:
            own[parameter.name] = REQUIRED[parameter.name]
    options = LayerOptions(norm=norm, conv=conv)
    return build_block(name, in_channels, out_channels, stride=stride, options=options, **own)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("in_channels", "out_channels"), [(24, 24), (12, 40)])
def test_sizes_and_widths(name, stride, in_channels, out_channels):
    block = make(name, in_channels, out_channels, stride).eval()
    assert (block.in_channels, block.out_channels, block.stride) == (in_channels, out_channels, stride)
    assert block(torch.randn(2, in_channels, 8, 12)).shape == (2, out_channels, 8 // stride, 12 // stride)
    n, channels, height, width = block(torch.randn(1, in_channels, 15, 13)).shape
    assert (n, channels) == (1, out_channels)
    assert height in (15 // stride, -(-15 // stride)) and width in (13 // stride, -(-13 // stride))


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("norm", ["BN", "GN", ""])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_parameter_gets_a_gradient_and_the_input_stays(name, norm, stride):
    torch.manual_seed(0)
    block = make(name, 24, 24, stride, norm)
    x = torch.randn(2, 24, 9, 9).requires_grad_()
    before = x.detach().clone()
    y = block(x)
    assert y.isfinite().all()
    (y * torch.randn_like(y)).sum().backward()
    assert torch.equal(x, before) and x.grad.isfinite().all()
    for parameter_name, parameter in block.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("name", BLOCKS)
def test_a_norm_is_everywhere_and_no_convolution_before_one_has_a_bias(name):
    block = make(name, 24, 24, 2, "GN")
    gates = {conv for gate in block.modules() if type(gate).__name__ in ("SE", "ESE") for conv in gate.modules()}
    for conv in block.modules():
        if isinstance(conv, nn.Conv2d) and conv not in gates:
            assert conv.bias is None
    assert any(isinstance(m, nn.GroupNorm) for m in block.modules())


@pytest.mark.parametrize("name", BLOCKS)
def test_frozen_it_is_a_constant(name):
    block = make(name, 24, 24, 1).freeze()
    assert not any(p.requires_grad for p in block.parameters())
    norms = {type(m) for m in block.modules() if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))}
    assert norms == {FrozenBatchNorm2d}


@pytest.mark.parametrize("name", WITH_SE)
def test_squeeze_and_excitation(name):
    assert not any(isinstance(m, SE) for m in make(name, 24, 24, 1).modules())
    block = make(name, 24, 24, 1, "GN", se_rate=4)
    assert sum(isinstance(m, SE) for m in block.modules()) == 1
    block(torch.randn(1, 24, 5, 5)).sum().backward()
    assert all(p.grad is not None for p in block.parameters())


@pytest.mark.parametrize("name", BLOCKS)
def test_a_deformable_3x3_is_made_or_refused(name):
    try:
        block = make(name, 24, 24, 1, conv="deform")
    except ValueError as error:
        assert "DEFORM_ON_PER_STAGE" in str(error)
    else:
        assert any(isinstance(m, DeformableConv) for m in block.modules())
