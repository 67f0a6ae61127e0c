"""Folding batch norms changes the weights and not the outputs."""

from pathlib import Path

import pytest
import torch
from detectron2.layers import Conv2d, CycleBatchNormList, FrozenBatchNorm2d
from detectron2.modeling import build_model
from torch import nn

import dense_det  # noqa: F401  registers
from dense_det.config import load_cfg
from dense_det.fold_bn import fold_bn
from dense_det.layers.conv import DeformableConv, LayerOptions, conv_norm_act
from dense_det.layers.norm import SyncBatchNorm, head_norm

CONFIGS = Path(__file__).parents[1] / "configs"


def settle(model: nn.Module) -> nn.Module:
    """In evaluation mode and double precision, with statistics as after some training."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            if module.weight is not None:
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.1)
    return model.eval().double()


def assert_unchanged(model: nn.Module, x: torch.Tensor, calls: int = 1) -> None:
    with torch.no_grad():
        before = [model(x) for _ in range(calls)]
        assert fold_bn(model) is model
        after = [model(x) for _ in range(calls)]
    assert len(batch_norms(model)) == 0
    for was, now in zip(before, after, strict=True):
        torch.testing.assert_close(now, was, rtol=1e-12, atol=1e-12)


def batch_norms(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d)]


def test_a_convolution_by_hand():
    conv = Conv2d(1, 1, 1, bias=True, norm=nn.BatchNorm2d(1, eps=0)).eval()
    conv.weight.data.fill_(3)
    conv.bias.data.fill_(1)
    conv.norm.running_mean.fill_(5)
    conv.norm.running_var.fill_(4)
    conv.norm.weight.data.fill_(6)
    conv.norm.bias.data.fill_(7)
    fold_bn(conv)  # (3 x + 1 - 5) / 2 * 6 + 7
    assert conv.norm is None and conv.weight.item() == 9 and conv.bias.item() == -5


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, SyncBatchNorm, nn.SyncBatchNorm, FrozenBatchNorm2d])
def test_norms(norm):
    assert_unchanged(settle(Conv2d(4, 6, 3, padding=1, norm=norm(6))), torch.randn(2, 4, 5, 5).double())


@pytest.mark.parametrize("groups, stride, activation", [(1, 1, "ReLU"), (4, 2, "SiLU")])
def test_our_convolutions(groups, stride, activation):
    options = LayerOptions(activation=activation)
    conv = conv_norm_act(4, 8, 3, options, stride, groups).to(memory_format=torch.channels_last)
    assert_unchanged(settle(conv), torch.randn(1, 4, 6, 6).double())
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    deformable = DeformableConv(4, 8, options, 1, stride)
    nn.init.normal_(deformable.offset.weight)
    assert_unchanged(settle(deformable), torch.randn(1, 4, 6, 6).double())


def test_neighbours_in_a_sequential():
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU(), Conv2d(4, 4, 1),
                           nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)))  # fmt: skip
    assert_unchanged(settle(layers), torch.randn(1, 3, 6, 6).double())


@pytest.mark.parametrize(
    "norm", [head_norm("BN", 3), lambda width: CycleBatchNormList(3, num_features=width, affine=False)]
)
def test_a_norm_for_each_level(norm):
    layers = settle(nn.Sequential(nn.Conv2d(3, 4, 1), norm(4), nn.ReLU()))
    x = torch.randn(1, 3, 2, 2).double()
    assert not torch.equal(layers(x), layers(x)), "levels differ"
    layers(x)  # three calls a round
    assert_unchanged(layers, x, calls=6)


def test_what_stays():
    """No norm is lost that is not right behind its convolution, or no fixed map."""
    relu_first = Conv2d(3, 3, 1, activation=torch.relu)
    layers = nn.Sequential(nn.BatchNorm2d(3), relu_first, nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4),
                           nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, track_running_stats=False))  # fmt: skip
    names = batch_norms(settle(layers[:4]))
    x = torch.randn(1, 3, 4, 4).double()
    before = layers.double()(x)
    assert batch_norms(fold_bn(layers)) == [*names, "6"] == ["0", "2", "6"]
    torch.testing.assert_close(layers(x), before, rtol=0, atol=0)


def test_training_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match=r"1 are in training mode \(1, ...\): call model.eval\(\)"):
        fold_bn(model)
    fold_bn(nn.Sequential(Conv2d(3, 4, 1, norm=FrozenBatchNorm2d(4))))  # has no other mode


class Outputs(nn.Module):
    """Pyramid levels and what a dense head says of them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        features = self.model.backbone(x)
        return [*features.values(), *self.model.head([features[name] for name in self.model.head_in_features])]


@pytest.mark.parametrize("name, kept", [
    ("retina_vovnet_19_slim", 0), ("Base-DocPages", 0), ("retina_peleenet", 0), ("retina_mobilenetv2", 0),
    ("retina_resnet18_slim", 0), ("retina_cspresnet", 0), ("retina_snet", 0),
    ("retina_densenet", 62), ("retina_cspdensenet", 66),  # norms of what several layers read
    ("retina_blocknet_inception", 0), ("retina_thundernet_snet146", 0), ("centermask_lite_vovnet_19_slim_dw", 0),
])  # fmt: skip
def test_networks(name, kept):
    cfg = load_cfg(CONFIGS / f"{name}.yaml", ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", ""])
    network = settle(Outputs(build_model(cfg)))
    x = torch.randn(1, 3, 64, 32, dtype=torch.double)
    with torch.no_grad():
        before = network(x)
        after = fold_bn(network)(x)
    assert len(batch_norms(network)) == kept
    torch.testing.assert_close(after, before, rtol=1e-8, atol=1e-8)
