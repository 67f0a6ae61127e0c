import re

import pytest
import timm
import torchvision

from dense_det.backbones.densenet import VARIANTS, make_densenet


def features_of(densenet):
    """x -> what the transitions' and the last norm make of the dense blocks."""

    def features(x):
        stages = []
        for name, layer in densenet.features.named_children():
            if name.startswith("transition"):
                stages.append(layer.norm(x).relu())
            x = layer(x)
        return [*stages, x.relu()]

    return features


@pytest.mark.parametrize("style", ["code", "hosted file"])
@pytest.mark.parametrize("number", [121, 161])
def test_torchvisions_weights_give_torchvisions_features(number, style, options, randomise, assert_same_features):
    reference = randomise(torchvision.models.get_model(f"densenet{number}"))
    state = reference.state_dict()
    if style == "hosted file":
        state = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): t for name, t in state.items()}
        assert "features.denseblock1.denselayer1.norm.1.weight" in state
    network = make_densenet(VARIANTS[f"DenseNet-{number}"], **options())
    report = assert_same_features(state, features_of(reference), network)
    assert report.source == "torchvision or timm DenseNet"


def test_timms_weights_give_timms_features(options, randomise, assert_same_features):
    reference = randomise(timm.create_model("densenet169"))
    network = make_densenet(VARIANTS["DenseNet-169"], **options())
    assert_same_features(reference.state_dict(), features_of(reference), network)
