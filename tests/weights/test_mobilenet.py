import re

import pytest
import torchvision

from dense_det.backbones.blocknet import VARIANTS, make_blocknet
from dense_det.weights.source import CAFFE_BGR, IMAGENET_RGB


def authors_state(state: dict) -> dict:
    """The tensors of torchvision's net under the names of the flat lists that the authors' code has."""
    flat = {}
    for name, tensor in state.items():
        match = re.fullmatch(r"features\.(\d+)\.conv\.(\d)(?:\.([01]))?\.(\w+)", name)
        if match:
            index, outer, inner, last = match.groups()
            # conv, norm, activation: three places for each pair, of which torchvision's list has one
            place = 3 * int(outer) + int(inner) if inner else 3 * (1 if index == "1" else 2)
            place += 0 if inner or outer == ("1" if index == "1" else "2") else 1
            name = f"backbone.bottom_up.features.{index}.conv.{place}.{last}"
        elif name.startswith("features.0."):
            name = f"backbone.bottom_up.{name}"
        else:
            continue
        flat[name] = tensor
    return flat


@pytest.mark.parametrize("style", ["torchvision", "authors"])
def test_the_weights_of_a_mobilenet_give_its_features(style, options, randomise, assert_same_features):
    reference = randomise(torchvision.models.mobilenet_v2())

    def features(x):
        stages = []
        for index, layer in enumerate(reference.features):
            x = layer(x)
            if index in (3, 6, 13, 17):  # the last layers at strides 4, 8, 16, 32
                stages.append(x)
        return stages

    state = reference.state_dict()
    if style == "authors":
        state = authors_state(state)
        assert {"backbone.bottom_up.features.1.conv.4.bias", "backbone.bottom_up.features.17.conv.7.bias"} <= set(state)
    network = make_blocknet(VARIANTS["MobileNetV2"], **options(activation="ReLU6"))
    report = assert_same_features(state, features, network)
    assert style in report.source or "centermask2" in report.source
    assert report.pixels == (IMAGENET_RGB if style == "torchvision" else CAFFE_BGR)
    # a convolution with its norm of four, and the last layer
    assert sum(map(len, report.unused.values())) == (7 if style == "torchvision" else 0)
