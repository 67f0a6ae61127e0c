"""Strided depthwise convolutions compute in float32 where they learn under autocast, and only there."""

import copy

import pytest
import torch
from detectron2.layers import Conv2d
from torch import nn

from dense_det.depthwise import StridedDepthwiseConv2d, use_float32

BFLOAT16 = {"device_type": "cpu", "dtype": torch.bfloat16}


def depthwise(channels: int, stride: int = 2, **words) -> Conv2d:
    torch.manual_seed(0)
    return Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, **words)


def test_a_weight_that_bfloat16_cannot_hold():
    layer = use_float32(nn.Conv2d(2, 2, 1, stride=2, groups=2, bias=False))
    layer.weight.data = torch.tensor([1 + 2**-10, 3.0]).reshape(2, 1, 1, 1)
    image = torch.full((1, 2, 2, 2), 1024.0, requires_grad=True)
    with torch.autocast(**BFLOAT16):
        found = layer(image)
        assert found.dtype == torch.bfloat16 and found.flatten().tolist() == [1024, 3072]  # 1025 to eight bits
        found.sum().backward()
    # weights in bfloat16 would give 1
    assert image.grad[0, :, 0, 0].tolist() == [1 + 2**-10, 3.0] and image.grad[0, :, 1, 1].tolist() == [0, 0]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_outputs_and_gradients_are_those_of_float32(layout):
    x = torch.randn(2, 8, 6, 10).contiguous(memory_format=layout)
    plain = depthwise(8, norm=nn.BatchNorm2d(8).eval(), activation=nn.ReLU())
    ours = use_float32(copy.deepcopy(plain))
    assert type(ours) is StridedDepthwiseConv2d and list(ours.state_dict()) == list(plain.state_dict())
    results = []
    for layer, enabled in ((plain, False), (ours, True)):
        given = x.clone(memory_format=torch.preserve_format).requires_grad_()
        with torch.autocast(**BFLOAT16, enabled=enabled):
            found = layer(given)
        found.float().square().sum().backward()
        results.append([found.float(), given.grad, *(each.grad for each in layer.parameters())])
    for was, now in zip(*results, strict=True):
        torch.testing.assert_close(now, was, rtol=0.02, atol=0.01 * was.abs().max().item())


@pytest.mark.parametrize("learns", [False, True])
def test_without_autocast_and_without_learning_nothing_changes(learns):
    x, plain = torch.randn(1, 4, 5, 5), depthwise(4)
    ours = use_float32(copy.deepcopy(plain))
    assert torch.equal(ours(x.requires_grad_(learns)), plain(x))
    with torch.no_grad(), torch.autocast(**BFLOAT16):
        assert torch.equal(ours(x), plain(x))


def test_other_convolutions_stay_as_they_are():
    others = [
        depthwise(4, stride=1),
        nn.Conv2d(4, 4, 3, stride=2),
        nn.Conv2d(4, 4, 3, 2, groups=2),
        nn.Conv2d(1, 1, 3, 2),
    ]
    assert StridedDepthwiseConv2d not in {type(layer) for layer in use_float32(nn.Sequential(*others))}
    assert type(use_float32(depthwise(4))) is StridedDepthwiseConv2d


def test_an_exported_program_has_the_plain_convolution():
    layer, x = use_float32(nn.Sequential(depthwise(4))).eval(), torch.randn(1, 4, 6, 6)
    program = torch.export.export(layer, (x,), strict=False)
    assert torch.equal(program.module()(x), layer(x))
