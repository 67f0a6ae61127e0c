"""1x1 convolutions compute the same, by another library."""

import copy

import pytest
import torch
from detectron2.layers import Conv2d
from torch import nn
from torch.profiler import profile

from dense_det.pointwise import FEW_PIXELS, SMALL, PointwiseConv2d, use_onednn

pytestmark = pytest.mark.usefixtures("one_thread")


def conv(in_channels: int, out_channels: int, kernel: int = 1, **words) -> Conv2d:
    torch.manual_seed(0)
    return Conv2d(in_channels, out_channels, kernel, **words).to(memory_format=torch.channels_last)


def test_a_sum_worked_out_by_hand():
    layer = nn.Conv2d(2, 1, 1)
    layer.weight.data, layer.bias.data = torch.tensor([3.0, 5.0]).reshape(1, 2, 1, 1), torch.tensor([1.0])
    image = torch.tensor([[[[1.0, 2.0]], [[10.0, 20.0]]]])
    assert use_onednn(layer)(image).tolist() == [[[[54.0, 107.0]]]]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", [(1, 8, 3, 5), (1, 8, 1, 1), (1, 8, 80, 60), (2, 8, 3, 5), (0, 8, 3, 5)])
@pytest.mark.parametrize(
    "words",
    [
        {"norm": nn.GroupNorm(2, 12), "activation": nn.ReLU()},
        {"bias": False, "activation": nn.SiLU()},
        {"groups": 4},
    ],
    ids=str,
)
def test_outputs_and_gradients_stay(words, shape, layout):
    x = torch.randn(*shape).contiguous(memory_format=layout)
    plain = conv(8, 12, **copy.deepcopy(words))
    ours = use_onednn(copy.deepcopy(plain))
    assert type(ours) is PointwiseConv2d and list(ours.state_dict()) == list(plain.state_dict())
    results = []
    for layer in (plain, ours):
        given = x.clone(memory_format=torch.preserve_format).requires_grad_()
        found = layer(given)
        found.square().sum().backward()
        results.append([found, given.grad, *(each.grad for each in layer.parameters())])
    for was, now in zip(*results, strict=True):
        torch.testing.assert_close(now, was, rtol=1e-4, atol=1e-4)
    assert results[0][0].shape == results[1][0].shape
    if layout == torch.channels_last and len(x):
        assert results[1][0].is_contiguous(memory_format=layout)


def test_other_convolutions_stay_as_they_are():
    class Own(nn.Conv2d):
        pass

    others = [conv(4, 4, 3), conv(4, 4, stride=2), conv(4, 4, padding=1), Own(4, 4, 1), nn.ConvTranspose2d(4, 4, 1)]
    model = nn.Sequential(*others)
    assert PointwiseConv2d not in {type(layer) for layer in use_onednn(model)}


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("side", [40, 4])
@pytest.mark.parametrize("change", [use_onednn, lambda model: model])
def test_one_thread_computes_them_by_onednn(change, side):
    assert (16 * side * side > SMALL) == (side == 40)
    layer = change(conv(16, 24))
    x = torch.randn(1, 16, side, side).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), profile() as seen:
        layer(x)
    names = {event.key for event in seen.key_averages()}
    # the other half says that torch still needs to be told
    assert ("aten::mkldnn_convolution" in names) == (change is use_onednn)


def test_a_traced_one_is_plain():
    program = torch.export.export(use_onednn(nn.Sequential(conv(8, 4))), (torch.zeros(1, 8, 4, 4),), strict=False)
    (node,) = (node for node in program.graph.nodes if "conv" in str(node.target))
    assert 2 not in [each for word in node.args if isinstance(word, list) for each in word]


def test_several_threads_leave_it_to_torch():
    torch.set_num_threads(2)
    layer, x = use_onednn(conv(16, 24)), torch.randn(1, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), profile() as seen:
        layer(x)
    assert "aten::mkldnn_convolution" not in {event.key for event in seen.key_averages()}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("width", "frozen", "product"),
    [(FEW_PIXELS // 2, False, True), (FEW_PIXELS // 2 + 1, False, False), (3, True, False)],
)
def test_training_on_few_pixels_is_matrix_products(width, frozen, product, threads):
    torch.set_num_threads(threads)
    layer = use_onednn(conv(16, 24)).requires_grad_(not frozen)
    x = torch.randn(2, 16, 1, width).contiguous(memory_format=torch.channels_last).requires_grad_()
    with profile() as seen:
        layer(x).sum().backward()
    names = {event.key for event in seen.key_averages()}
    assert ("aten::convolution" not in names and "aten::convolution_backward" not in names) == product


def test_their_gradients_lie_as_their_weights_do():
    """DistributedDataParallel copies others, and warns."""
    layer = use_onednn(conv(16, 24)).to(memory_format=torch.channels_last)
    layer(torch.randn(2, 16, 3, 3).contiguous(memory_format=torch.channels_last)).sum().backward()
    assert layer.weight.grad.stride() == layer.weight.stride() == (16, 1, 16, 16)


def test_in_lower_precision_they_stay_convolutions():
    layer, x = use_onednn(conv(16, 24)), torch.randn(2, 16, 3, 3).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16), profile() as seen:
        found = layer(x)
    assert found.dtype == torch.bfloat16 and "aten::convolution" in {event.key for event in seen.key_averages()}
