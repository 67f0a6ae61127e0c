from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dense_det.analysis.layer_costs import Cost, deformable_flops, layer_costs, run_without_data
from dense_det.analysis.network import Network, image_without_data
from dense_det.config import find_config, load_cfg

ROOT = Path(__file__).parents[2]
DETECTORS = ["retina_snet", "retina_peleenet", "centermask_vovnet_deform", "panoptic_vovnet"]
ZOO = ["COCO-Detection/retinanet_R_50_FPN_3x.yaml", "COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x.yaml"]


def costs_of(*layers, size=(6, 8)):
    return layer_costs(nn.Sequential(*layers), torch.empty(1, 3, *size, device="meta"))


def test_a_convolution_by_hand():
    # 48 pixels come in with 3 channels, 12 go out with 6; 3 groups: each filter sees one channel
    cost = costs_of(nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3))["0"]
    assert cost.macs == 12 * 6 * 9
    assert cost.activations == 12 * 6
    assert cost.conv_io == 48 * 3 + 12 * 6
    assert cost.memory_access == 48 * 3 + 12 * 6 + 6 * 9
    # the bias moves, too
    assert cost.traffic == cost.memory_access + 6


def test_equation_1_of_shufflenet_v2():
    # h w (c1 + c2) + c1 c2 of a 1x1 convolution; at equal multiply-adds it is least for equal widths
    equal, unequal = (
        layer_costs(nn.Conv2d(a, b, 1, bias=False), torch.empty(1, a, 7, 7, device="meta"))[""]
        for a, b in ((64, 64), (32, 128))
    )
    assert equal.memory_access == 49 * (64 + 64) + 64 * 64
    assert unequal.memory_access == 49 * (32 + 128) + 32 * 128
    assert equal.macs == unequal.macs == 49 * 64 * 64


def test_a_linear_layer_is_a_1x1_convolution():
    cost = layer_costs(nn.Linear(8, 5), torch.empty(3, 8, device="meta"))[""]
    assert (cost.macs, cost.activations, cost.conv_io, cost.memory_access) == (120, 15, 24 + 15, 24 + 15 + 40)


@pytest.mark.parametrize(
    ("layer", "moved"),
    [
        (nn.ReLU(), 2 * 144),
        (nn.ReLU(inplace=True), 2 * 144),
        (nn.MaxPool2d(2), 144 + 36 + 36),  # and where each maximum lies
        (nn.Flatten(), 0),
        (nn.BatchNorm2d(3), 2 * 144 + 6 * 3),  # four vectors come in, two go out
    ],
    ids=str,
)
def test_what_computes_little_moves_all_the_same(layer, moved):
    assert costs_of(layer)[""] == Cost(traffic=moved)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 1, bias=False), nn.ReLU()

    def forward(self, x):
        return self.conv(self.relu(self.conv(x)))


def test_names_are_dotted_and_contain_their_parts():
    costs = costs_of(Twice(), nn.Sigmoid())
    assert set(costs) == {"", "0", "0.conv", "0.relu", "1"}
    # a layer that runs twice has both
    assert costs["0.conv"].macs == costs[""].macs == 2 * 48 * 9
    assert costs["0"] == costs["0.conv"] + costs["0.relu"] and costs[""] == costs["0"] + costs["1"]


def test_the_network_stays_as_it_is():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    layer_costs(net, torch.empty(1, 3, 4, 4, device="meta"))
    assert net.training and net[1].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def network_of(name, device="meta"):
    cfg = load_cfg(find_config(name if "/" in name else ROOT / "configs" / f"{name}.yaml"), ["MODEL.DEVICE", device])
    with torch.device(device):
        model = build_model(cfg)
    return Network(model), image_without_data(model, 128)


@pytest.mark.parametrize("name", [*DETECTORS, *ZOO])
def test_a_second_counter_agrees_to_the_last_multiply_add(name):
    network, image = network_of(name)
    second = FlopCounterMode(display=False, custom_mapping={torch.ops.torchvision.deform_conv2d: deformable_flops})
    run_without_data(network, image, second)
    assert layer_costs(network, image)[""].macs == second.get_total_flops() // 2 > 0


@pytest.mark.parametrize("name", ["retina_snet", "retina_peleenet"])
def test_a_third_counter_agrees_on_convolutions(name):
    network, image = network_of(name, "cpu")
    image = torch.zeros(image.shape)
    counter = FlopCountAnalysis(network.eval(), image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counter.tracer_warnings("none")
    third = counter.by_operator()
    assert layer_costs(network, image.to("meta"))[""].macs == third["conv"] + third["linear"]
