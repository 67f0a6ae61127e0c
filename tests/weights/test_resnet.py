import pytest
import torch
import torchvision
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone import build_resnet_backbone

from dense_det.backbones.blocknet import VARIANTS, make_blocknet
from dense_det.weights.convert import convert


def stages_of(resnet):
    def features(x):
        x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(x))))
        return [x := layer(x) for layer in (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4)]

    return features


@pytest.mark.parametrize(("name", "variant"), [("resnet18", "ResNet-18"), ("resnet34", "ResNet-34")])
def test_torchvisions_weights_give_torchvisions_features(name, variant, options, randomise, assert_same_features):
    reference = randomise(torchvision.models.get_model(name))
    network = make_blocknet(VARIANTS[variant], **options())
    report = assert_same_features(reference.state_dict(), stages_of(reference), network)
    assert report.source == "torchvision ResNet-18 or -34"


def test_torchvisions_resnet_50_loads_into_detectron2s(randomise):
    cfg = get_cfg()
    cfg.MODEL.RESNETS.STRIDE_IN_1X1 = False
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    network = build_resnet_backbone(cfg, ShapeSpec(channels=3)).eval()
    reference = randomise(torchvision.models.resnet50())
    weights, report = convert(reference.state_dict(), network.state_dict())
    assert report.is_clean, report.to_text()
    network.load_state_dict(weights)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(network(x).values(), stages_of(reference)(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
