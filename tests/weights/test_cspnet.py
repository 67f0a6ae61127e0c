import pytest
import timm

from dense_det.backbones.cspnet import VARIANTS, make_cspnet

NAMES = {"cspresnet50": "CSPResNet-50", "cspresnext50": "CSPResNeXt-50", "cspdarknet53": "CSPDarknet-53"}


@pytest.mark.parametrize("name", NAMES)
def test_timms_weights_give_timms_features(name, options, randomise, assert_same_features):
    reference = randomise(timm.create_model(name))

    def features(x):
        return reference.forward_intermediates(x, intermediates_only=True)[-4:]

    network = make_cspnet(VARIANTS[NAMES[name]], **options(activation="LeakyReLU"))
    report = assert_same_features(reference.state_dict(), features, network)
    assert report.source == ("timm cspdarknet53" if "dark" in name else "timm cspresnet50 or cspresnext50")
