"""Group norm in channels_last has as many digits as in NCHW."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from dense_det.config import load_cfg
from dense_det.engine.model import build_model
from dense_det.group_norm import ExactGroupNorm, use_exact_group_norm, written_out

CONFIG = Path(__file__).parents[1] / "configs" / "retina_snet.yaml"


def norm(groups: int, channels: int, **words) -> nn.GroupNorm:
    torch.manual_seed(0)
    layer = nn.GroupNorm(groups, channels, **words)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def image(*shape, mean: float = 3.0) -> torch.Tensor:
    torch.manual_seed(1)
    return (torch.randn(*shape) + mean).contiguous(memory_format=torch.channels_last)


def test_values_worked_out_by_hand():
    layer = use_exact_group_norm(nn.GroupNorm(1, 2, eps=0.0))
    layer.weight.data, layer.bias.data = torch.tensor([1.0, 10.0]), torch.tensor([0.0, 1.0])
    x = torch.tensor([[[[1.0, 1.0]], [[3.0, 3.0]]]]).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert layer(x).tolist() == [[[[-1.0, -1.0]], [[11.0, 11.0]]]]


@pytest.mark.parametrize("words", [{}, {"affine": False}])
@pytest.mark.parametrize("shape", [(1, 24, 144, 112), (2, 24, 30, 50), (3, 24, 1, 7)])
@pytest.mark.parametrize("groups", [1, 8, 24])
def test_no_digits_are_lost(groups, shape, words):
    plain, x = norm(groups, 24, **words), image(*shape)
    ours = use_exact_group_norm(copy.deepcopy(plain))
    with torch.no_grad():
        found = ours(x)
        torch.testing.assert_close(found, plain.double()(x.double()).float(), rtol=0, atol=2e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("words", [{}, {"affine": False}])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_written_out_it_is_the_same(layout, words):
    plain, x = norm(8, 24, **words), image(2, 24, 30, 50).contiguous(memory_format=layout)
    ours = use_exact_group_norm(nn.Sequential(copy.deepcopy(plain)))
    with torch.no_grad(), written_out(ours):
        found, program = ours(x), torch.export.export(ours, (x,))
        expected = plain.double()(x.double()).float()
        for each in (found, program.module()(x)):
            torch.testing.assert_close(each, expected, rtol=0, atol=2e-5)
    assert not [node for node in program.graph.nodes if "group_norm" in str(node.target)]
    assert "group_norm" in str(torch.export.export(ours.eval(), (x,)).graph)


def test_gradients_and_other_layouts_are_torchs():
    plain, x = norm(8, 24), image(2, 24, 30, 50)
    ours = use_exact_group_norm(copy.deepcopy(plain))
    assert type(ours) is ExactGroupNorm and list(ours.state_dict()) == list(plain.state_dict())
    assert torch.equal(ours(x), plain(x))
    with torch.no_grad():
        for given in (x.contiguous(), x.bfloat16().float().double(), x[:0]):
            layers = [copy.deepcopy(layer).to(given.dtype) for layer in (ours, plain)]
            assert torch.equal(layers[0](given), layers[1](given))


def test_a_single_value_is_the_bias():
    layer = use_exact_group_norm(norm(4, 4))
    with torch.no_grad():
        torch.testing.assert_close(layer(image(1, 4, 1, 1))[0, :, 0, 0], layer.bias.data, rtol=0, atol=1e-3)


def test_a_network_finds_the_same_in_either_layout():
    """Of a page that is white but for one corner the pyramids of an SNet were 0.002 apart, boxes up to 0.2 px."""
    page, features = torch.full((1, 3, 288, 224), 2.5), []
    page[..., :100, :100] -= image(1, 3, 100, 100)
    for channels_last in (True, False):
        torch.manual_seed(0)
        cfg = load_cfg(CONFIG, ["MODEL.DEVICE", "cpu", "MODEL.CHANNELS_LAST", channels_last])
        model = build_model(cfg).eval()
        layout = torch.channels_last if channels_last else torch.contiguous_format
        with torch.no_grad():
            features.append(model.backbone(page.contiguous(memory_format=layout)))
    for level, found in features[0].items():
        torch.testing.assert_close(found, features[1][level], rtol=0, atol=1e-4)
