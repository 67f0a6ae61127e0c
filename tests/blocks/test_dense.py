import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dense_det.blocks.dense import CifarStem, DenseBlock, DenseLayer, DenseTransition, NormAct, NormActConv
from dense_det.layers.conv import DeformableConv, LayerOptions

NONE = LayerOptions(norm="")


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_by_hand():
    # norm of 10, 1x1 to 4 * 3, norm of 12, 3x3 to 3; the next layer sees 3 more
    layers = (2 * 10 + 10 * 12 + 2 * 12 + 9 * 12 * 3) + (2 * 13 + 13 * 12 + 2 * 12 + 9 * 12 * 3)
    block = DenseBlock(10, num_layers=2, growth=3, bottleneck=4, options=LayerOptions())
    assert (num_params(block), block.out_channels) == (layers, 16)
    plain = DenseBlock(10, num_layers=2, growth=3, bottleneck=0, options=LayerOptions())
    assert (num_params(plain), plain.out_channels) == (2 * 10 + 9 * 10 * 3 + 2 * 13 + 9 * 13 * 3, 16)


def test_values_by_hand():
    block = DenseBlock(1, num_layers=2, growth=1, bottleneck=1, options=NONE)
    for conv in (m for m in block.modules() if isinstance(m, nn.Conv2d)):
        nn.init.ones_(conv.weight)
    # on one pixel a 3x3 sees only its centre: each layer adds the sum of the positive parts of all before it
    assert block(torch.full((1, 1, 1, 1), 2.0)).flatten().tolist() == [2, 2, 4]
    assert block(torch.full((1, 1, 1, 1), -2.0)).flatten().tolist() == [-2, 0, 0]


@pytest.mark.parametrize("norm", ["", "BN", "GN"])
def test_the_input_comes_out_as_it_came(norm):
    x = torch.randn(2, 6, 5, 4)
    before = x.clone()
    y = DenseBlock(6, num_layers=2, growth=3, bottleneck=2, options=LayerOptions(norm=norm))(x)
    assert torch.equal(x, before) and torch.equal(y[:, :6], x)
    assert NormAct(6, options=LayerOptions(norm=norm))(x).min() >= 0
    assert torch.equal(x, before)


def test_a_layer_takes_its_parts_as_if_concatenated():
    torch.manual_seed(0)
    layer = DenseLayer(6, 2, bottleneck=4, options=LayerOptions(norm="GN"))
    parts = torch.randn(2, 6, 5, 4).split([1, 3, 2], dim=1)
    assert torch.equal(layer(*parts), layer(torch.cat(parts, dim=1)))


def test_pooling_before_the_1x1_is_the_papers_transition():
    torch.manual_seed(0)
    x = torch.randn(2, 6, 7, 8)
    transition = DenseTransition(6, 3, options=LayerOptions())
    y = transition(x)
    assert y.shape == (2, 3, 3, 4) and (transition.out_channels, transition.stride) == (3, 2)
    torch.testing.assert_close(y, nn.functional.avg_pool2d(transition.conv(x), 2), rtol=1e-5, atol=1e-5)
    assert num_params(transition) == 18


@pytest.mark.parametrize(("size", "expected"), [(224, 56), (225, 57), (230, 58), (250, 63), (1, 1)])
def test_the_cifar_stem_rounds_up(size, expected):
    stem = CifarStem(1, 2, options=LayerOptions())
    assert stem(torch.zeros(1, 1, size, 8)).shape == (1, 2, expected, 2)
    assert num_params(stem) == 18


@pytest.mark.parametrize("options", [LayerOptions(), NONE])
def test_a_bias_stands_in_for_absent_norms(options):
    convs = [m for m in DenseLayer(6, 2, bottleneck=4, options=options).modules() if isinstance(m, nn.Conv2d)]
    assert [conv.bias is not None for conv in convs] == [options.norm == ""] * 2


def test_the_3x3_is_deformable_where_asked():
    layer = DenseLayer(6, 2, bottleneck=4, options=LayerOptions(conv="deform"))
    assert isinstance(layer.second.conv, DeformableConv) and isinstance(layer.first.conv, nn.Conv2d)
    assert isinstance(layer.second.conv.norm, nn.Identity) and layer.second.conv.conv.bias is None
    assert layer(torch.randn(1, 6, 4, 4)).shape == (1, 2, 4, 4)


# --- memory-efficient ------------------------------------------------------------------------------------------


def step(block, x):
    """Gradients of the inputs and the weights, and the buffers, after one training step."""
    x = x.clone().requires_grad_()
    (block(x) * torch.linspace(-1, 1, block.out_channels)[:, None, None]).square().sum().backward()
    return {
        "input": x.grad,
        **{name: p.grad for name, p in block.named_parameters()},
        **{f"buffer {name}": buffer.clone() for name, buffer in block.named_buffers()},
    }


@pytest.mark.parametrize("bottleneck", [0, 2])
@pytest.mark.parametrize("norm", ["BN", "SyncBN", "GN", "LN", "FrozenBN", ""])
def test_recomputing_changes_no_gradient_and_no_statistic(norm, bottleneck):
    torch.manual_seed(0)
    arguments = {"num_layers": 3, "growth": 4, "bottleneck": bottleneck, "options": LayerOptions(norm=norm)}
    plain = DenseBlock(6, **arguments)
    efficient = DenseBlock(6, memory_efficient=True, **arguments)
    efficient.load_state_dict(plain.state_dict())
    x = torch.randn(3, 6, 7, 5)
    expected, found = step(plain, x), step(efficient, x)
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
    if norm == "BN":
        assert found["buffer layers.0.first.norm.num_batches_tracked"] == 1


def test_what_is_kept_and_what_is_recomputed():
    conv = NormActConv(6, 4, 1, recompute=True, options=LayerOptions())
    parts = [torch.randn(2, channels, 4, 4, requires_grad=True) for channels in (2, 4)]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(tuple(t.shape)) or t, lambda t: t):
        output = conv(*parts)
    # the parts, which are there anyway; neither their concatenation nor what norm and activation make of it
    assert (2, 6, 4, 4) not in kept and (2, 2, 4, 4) in kept and (2, 4, 4, 4) in kept
    with FlopCounterMode(display=False) as counter:
        output.sum().backward()
    # gradients of the weights and of the input: twice the 1x1's multiply-adds, and no third time
    assert counter.get_total_flops() == 2 * 2 * (2 * 16 * 6 * 4)


def test_outside_of_training_nothing_is_recomputed():
    conv = NormActConv(6, 4, 1, recompute=True, options=LayerOptions()).eval()
    seen = []
    conv.norm.register_forward_hook(lambda *_: seen.append(1))
    conv(torch.randn(2, 6, 4, 4, requires_grad=True)).sum().backward()
    assert len(seen) == 1
