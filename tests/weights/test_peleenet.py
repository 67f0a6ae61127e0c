"""The authors' network is given by its names of tensors, and computed here from those alone."""

import torch
import torch.nn.functional as F

from dense_det.backbones.peleenet import VARIANTS, make_peleenet
from dense_det.weights.source import IMAGENET_RGB


def authors_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state = {}

    def layer(name, c_in, c_out, size):
        state[f"{name}.conv.weight"] = torch.randn(c_out, c_in, size, size) * (2 / (c_in * size * size)) ** 0.5
        for tensor in ("weight", "running_var"):
            state[f"{name}.norm.{tensor}"] = torch.rand(c_out) + 0.5
        for tensor in ("bias", "running_mean"):
            state[f"{name}.norm.{tensor}"] = torch.randn(c_out) * 0.2

    for name, *shape in (("1", 3, 32, 3), ("2a", 32, 16, 1), ("2b", 16, 32, 3), ("3", 64, 32, 1)):
        layer(f"features.stemblock.stem{name}", *shape)
    width = 32
    for block, (num_layers, middle) in enumerate(((3, 16), (4, 32), (8, 64), (6, 64)), start=1):
        for index in range(1, num_layers + 1):
            dense = f"features.denseblock{block}.denselayer{index}"
            layer(f"{dense}.branch1a", width, middle, 1)
            layer(f"{dense}.branch1b", middle, 16, 3)
            layer(f"{dense}.branch2a", width, middle, 1)
            layer(f"{dense}.branch2b", middle, 16, 3)
            layer(f"{dense}.branch2c", 16, 16, 3)
            width += 32
        layer(f"features.transition{block}", width, width, 1)
    state["classifier.weight"], state["classifier.bias"] = torch.zeros(1000, width), torch.zeros(1000)
    return {f"module.{name}": tensor for name, tensor in state.items()}


def authors_features(state: dict[str, torch.Tensor]):
    """x -> the transitions' outputs before their pools, as the paper's figures say."""

    def layer(x, name, stride=1):
        name = f"module.features.{name}"
        weight = state[f"{name}.conv.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, var, scale, bias = (state[f"{name}.norm.{t}"] for t in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, scale, bias).relu()

    def features(x):
        x = layer(x, "stemblock.stem1", 2)
        branch = layer(layer(x, "stemblock.stem2a"), "stemblock.stem2b", 2)
        x = layer(torch.cat([F.max_pool2d(x, 2), branch], 1), "stemblock.stem3")
        stages = []
        for block, num_layers in enumerate((3, 4, 8, 6), start=1):
            for index in range(1, num_layers + 1):
                dense = f"denseblock{block}.denselayer{index}"
                narrow = layer(layer(x, f"{dense}.branch1a"), f"{dense}.branch1b")
                wide = layer(layer(layer(x, f"{dense}.branch2a"), f"{dense}.branch2b"), f"{dense}.branch2c")
                x = torch.cat([x, narrow, wide], 1)
            stages.append(layer(x, f"transition{block}"))
            x = F.avg_pool2d(stages[-1], 2) if block < 4 else None
        return stages

    return features


def test_the_authors_weights_give_the_authors_features(options, assert_same_features):
    state = authors_state()
    assert len(state) == 4 * 5 + 21 * 25 + 4 * 5 + 2
    network = make_peleenet(VARIANTS["PeleeNet"], **options())
    report = assert_same_features(state, authors_features(state), network, size=96)
    assert report.source == "Robert-JunWang/PeleeNet" and report.pixels == IMAGENET_RGB
    assert len(report.loaded) == len(state) - 2
