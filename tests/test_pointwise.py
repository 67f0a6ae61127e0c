"""1x1 convolutions that say they are dilated compute the same, by another library."""

import pytest
import torch
from torch import nn
from torch.profiler import profile

from dense_det.pointwise import dilate_pointwise, undilated


def convolutions() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 1), nn.Conv2d(12, 4, 1, stride=2, bias=False)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def test_a_sum_worked_out_by_hand():
    conv = nn.Conv2d(2, 1, 1)
    conv.weight.data, conv.bias.data = torch.tensor([3.0, 5.0]).reshape(1, 2, 1, 1), torch.tensor([1.0])
    image = torch.tensor([[[[1.0, 2.0]], [[10.0, 20.0]]]])
    assert dilate_pointwise(conv)(image).tolist() == [[[[54.0, 107.0]]]]


def test_outputs_and_gradients_stay():
    x = torch.randn(2, 3, 16, 24).contiguous(memory_format=torch.channels_last)
    plain, dilated = convolutions(), dilate_pointwise(convolutions())
    assert [layer.dilation for layer in dilated] == [(1, 1), (2, 2), (2, 2)]
    torch.testing.assert_close(dilated(x), plain(x))
    for model in (plain, dilated):
        model(x).square().sum().backward()
    for was, now in zip(plain.parameters(), dilated.parameters(), strict=True):
        torch.testing.assert_close(now.grad, was.grad, rtol=1e-4, atol=1e-4)


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("change", [dilate_pointwise, lambda model: model])
def test_one_thread_computes_them_by_onednn(one_thread, change):
    model = change(nn.Conv2d(16, 24, 1).to(memory_format=torch.channels_last))
    x = torch.randn(1, 16, 40, 40).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), profile() as seen:
        model(x)
    names = {event.key for event in seen.key_averages()}
    # the other half says that torch still needs to be told
    assert ("aten::mkldnn_convolution" in names) == (change is dilate_pointwise)


def test_they_are_plain_for_those_who_write_them_down():
    model = dilate_pointwise(convolutions())
    with pytest.raises(KeyError), undilated(model):
        assert [layer.dilation for layer in model] == [(1, 1)] * 3
        raise KeyError
    assert [layer.dilation for layer in model] == [(1, 1), (2, 2), (2, 2)]
