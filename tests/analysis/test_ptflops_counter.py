from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from torch import nn

import dense_det  # noqa: F401  registers
from dense_det.analysis.complexity import count_macs, count_parameters
from dense_det.analysis.ptflops_counter import count_operations
from dense_det.config import load_cfg
from dense_det.layers.conv import DeformableConv, LayerOptions

CONFIG = Path(__file__).parents[2] / "configs" / "retina_snet.yaml"
# the article on SNet prints its layers as shares of the whole, which is 166.485 million at 224x224
TOTAL = 166.485e6
CONVS, ACTIVATION = (5.257, 10.472, 10.472), 0.041
# convolutions and output of a head, output alone
HEADS = {("bbox_subnet", "bbox_pred"): (27.305, 0.982), ("cls_subnet", "cls_score"): (26.569, 0.245)}


def detector(*opts):
    cfg = load_cfg(CONFIG, ["MODEL.DEVICE", "meta", "MODEL.RETINANET.NUM_CLASSES", 1, *opts])
    with torch.device("meta"):
        return build_model(cfg)


@pytest.mark.parametrize("norm", ["GN", ""])
@pytest.mark.parametrize("variant", ["SNet-18", "SNet-18-dw-stem"])
def test_the_printed_table_of_snet(variant, norm):
    opts = ["MODEL.BOTTOM_UP.VARIANT", variant, "MODEL.FPN.NORM", norm, "MODEL.RETINANET.NORM", norm]
    counts = count_operations(detector(*opts), 224)
    assert counts[""] == pytest.approx(TOTAL, rel=0.005)
    percent = {name: 100 * count / counts[""] for name, count in counts.items()}
    layers = 3 if norm else 2  # convolution, norm, activation
    for (subnet, last), (whole, output) in HEADS.items():
        assert percent[f"head.{subnet}"] + percent[f"head.{last}"] == pytest.approx(whole, abs=0.05)
        assert percent[f"head.{last}"] == pytest.approx(output, abs=0.05)
        for i, conv in enumerate(CONVS):
            assert percent[f"head.{subnet}.{layers * i}"] == pytest.approx(conv, abs=0.05)
            assert percent[f"head.{subnet}.{layers * (i + 1) - 1}"] == pytest.approx(ACTIVATION, abs=0.01)


@pytest.mark.parametrize(
    ("variant", "operations", "parameters"),
    [("SNet-18", 166_351_054, 1_000_958), ("SNet-18-dw-stem", 166_500_334, 1_153_247)],
)
def test_the_rows_of_snet_exactly(variant, operations, parameters):
    opts = ["MODEL.BOTTOM_UP.VARIANT", variant, "MODEL.FPN.NORM", "", "MODEL.RETINANET.NORM", ""]
    model = detector(*opts)
    assert count_operations(model, 224)[""] == operations
    assert count_parameters(model) == parameters


def test_the_heads_by_hand():
    counts = count_operations(detector("MODEL.RETINANET.NORM", ""), 224)
    locations = 14 * 14 + 7 * 7 + 4 * 4 + 2 * 2
    # what is summed over the four levels that a head runs on
    assert counts["head.cls_subnet.0"] == locations * (128 * 256 + 256)
    assert counts["head.cls_subnet.1"] == locations * 256
    assert counts["head.bbox_pred"] == locations * (256 * 24 + 24)
    assert counts["head.cls_score"] == locations * (256 * 6 + 6)


def count(*layers, size=(6, 8)):
    return count_operations(nn.Sequential(*layers), size)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(3, 4, 3, padding=1), 48 * (3 * 4 * 9 + 4)),
        (nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3, bias=False), 12 * 6 * 9),
        (nn.ConvTranspose2d(3, 2, 2, stride=2), 48 * 3 * 2 * 4 + 192 * 2),
        (nn.Linear(8, 5), 3 * 6 * (8 * 5 + 5)),
        (nn.Linear(8, 5, bias=False), 3 * 6 * 8 * 5),
        (nn.BatchNorm2d(3), 2 * 144),
        (nn.BatchNorm2d(3, affine=False), 144),
        (nn.GroupNorm(1, 3), 0),
        (nn.ReLU(), 144),
        (nn.ReLU(inplace=True), 144),
        (nn.ReLU6(inplace=True), 144),
        (nn.LeakyReLU(0.1), 144),
        (nn.ELU(), 144),
        (nn.Sigmoid(), 0),
        (nn.MaxPool2d(2), 144),
        (nn.AvgPool2d(2), 144),
        (nn.AdaptiveAvgPool2d(1), 144),
        (nn.AdaptiveAvgPool2d(2), 144),
        (nn.Upsample(scale_factor=2), 4 * 144),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 4 * 144),
    ],
    ids=lambda value: str(value)[:32],
)
def test_the_rules(layer, expected):
    assert count(layer)[""] == expected


def test_names_are_dotted_and_contain_their_parts():
    conv, last = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 1, 1, bias=False)
    assert count(nn.Sequential(conv, nn.ReLU()), nn.Sigmoid(), last) == {
        "": 48 * (9 + 3 + 3 + 3),
        "0": 48 * (9 + 3 + 3),
        "0.0": 48 * (9 + 3),
        "0.1": 48 * 3,
        "2": 48 * 3,
    }


def test_a_deformable_convolution():
    offset, weights = 12 * (27 * 27 + 27), 12 * 4 * 27  # at stride 2, 12 of 48 pixels
    norm, activation = 12 * 4 * 2, 12 * 4
    options = LayerOptions(conv="deform")
    assert count(DeformableConv(3, 4, options, stride=2)) == {
        "": offset + weights + norm + activation,
        "0": offset + weights + norm + activation,
        "0.offset": offset,
        "0.conv": weights,
        "0.norm": norm,
        "0.activation": activation,
    }


def test_the_model_stays_as_it_is():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert count_operations(model, 4)[""] == 16 * (8 + 2 * 2)
    assert model.training and model[1].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    frozen = detector().eval()
    count_operations(frozen, 64)
    assert not any(module.training for module in frozen.modules())


def test_biases_and_activations_are_what_it_counts_above_multiply_adds():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    assert count_operations(model, 8)[""] == count_macs(model, 8) + 2 * 64 * 4
