from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from torch import nn

from dense_det.analysis.complexity import count_macs
from dense_det.backbones.densenet import VARIANTS, make_densenet
from dense_det.config import get_cfg, load_cfg
from dense_det.layers.conv import DeformableConv, LayerOptions

CONFIG = Path(__file__).parents[2] / "configs" / "retina_densenet.yaml"
STAGES = ("stage2", "stage3", "stage4", "stage5")

# the published networks without their classifiers, counted on code of others; DenseNet-100-24: the paper's 27.2M
PARAMETERS = {
    "DenseNet-121": 6_953_856,
    "DenseNet-169": 12_484_480,
    "DenseNet-201": 18_092_928,
    "DenseNet-161": 26_472_000,
    "DenseNet-40-12": 1_019_722 - 10 * (448 + 1),
    "DenseNet-100-12": 6_979_642 - 10 * (1168 + 1),
    "DenseNet-100-24": 27_249_082 - 10 * (2320 + 1),
    "DenseNet-BC-40-12": 176_122 - 10 * (132 + 1),
    "DenseNet-BC-100-12": 769_162 - 10 * (342 + 1),
    "DenseNet-BC-250-24": 15_324_406 - 10 * (1734 + 1),
    "DenseNet-BC-190-40": 25_624_430 - 10 * (2190 + 1),
}
WIDTHS = {
    "DenseNet-121": [256, 512, 1024, 1024],
    "DenseNet-169": [256, 512, 1280, 1664],
    "DenseNet-201": [256, 512, 1792, 1920],
    "DenseNet-161": [384, 768, 2112, 2208],
}
# multiply-adds of the published networks at 224 px, in millions
MACS_224 = {"DenseNet-121": 2834.2, "DenseNet-169": 3359.8, "DenseNet-201": 4291.4, "DenseNet-161": 7727.9}


def make(spec, norm="BN", activation="ReLU", deform=(False, False, False, False), **more):
    spec = VARIANTS.get(spec, spec) if isinstance(spec, str) else spec
    options = LayerOptions(norm=norm, activation=activation)
    arguments = {
        "stem_options": options,
        "stage_options": [replace(options, conv="deform" if d else "plain") for d in deform],
        "out_features": STAGES[: len(spec.num_layers)],
    }
    return make_densenet(spec, **{**arguments, **more})


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_every_row_has_its_numbers():
    assert set(PARAMETERS) == set(VARIANTS)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters(variant):
    with torch.device("meta"):
        assert num_params(make(variant)) == PARAMETERS[variant]


def test_parameters_of_nets_that_are_no_rows():
    """L = 40, k = 12 with other stems and a bottleneck of half the width."""
    row = VARIANTS["DenseNet-BC-40-12"]
    for change, width, expected in [
        ({"stem_channels": 16}, 130, 170_450),
        ({"stem_channels": 32}, 134, 181_874),
        ({"bottleneck": 2}, 132, 96_634),
    ]:
        with torch.device("meta"):
            assert num_params(make(replace(row, **change))) == expected - 10 * (width + 1), change


@pytest.mark.parametrize("variant", WIDTHS)
def test_widths_and_multiply_adds(variant):
    with torch.device("meta"):
        net = make(variant)
    assert [shape.channels for shape in net.output_shape().values()] == WIDTHS[variant]
    # the published transitions have their 1x1 before the pool, on four times as many pixels; and there is a classifier
    saved = sum(width * (width // 2) * size**2 for width, size in zip(WIDTHS[variant], (56, 28, 14))) * 3 / 4
    assert round((count_macs(net, 224) + saved + WIDTHS[variant][3] * 1000) / 1e6, 1) == MACS_224[variant]


@pytest.mark.parametrize(
    ("variant", "expected", "stem", "widths", "theta"),
    [
        ("DenseNet-40-12", 264.8, 16, (160, 304, 448), 1),
        ("DenseNet-BC-40-12", 72.36, 24, (96, 120, 132), 2),
    ],
)
def test_cifar_nets_see_at_128_px_what_the_papers_see_at_32(variant, expected, stem, widths, theta):
    with torch.device("meta"):
        net = make(variant)
        outputs = net(torch.empty(1, 3, 128, 128))
    assert [tuple(x.shape[1:]) for x in outputs.values()] == [(w, s, s) for w, s in zip(widths, (32, 16, 8))]
    assert [shape.stride for shape in net.output_shape().values()] == [4, 8, 16]
    # the stem at half size instead of a quarter, transitions after the pool, no classifier
    deviation = 27 * stem * (64**2 - 32**2)
    deviation -= sum(width * (width // theta) * size**2 for width, size in zip(widths, (32, 16))) * 3 // 4
    deviation -= 10 * widths[2]
    macs = (count_macs(net, 128) - deviation) / 1e6
    assert macs == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_depth_is_in_the_name(variant):
    spec = VARIANTS[variant]
    convs = (2 if spec.bottleneck else 1) * sum(spec.num_layers)
    # the stem, the transitions, the classifier
    assert f"-{1 + convs + len(spec.num_layers) - 1 + 1}" in variant


@pytest.mark.parametrize(
    ("size", "expected"),
    [(224, [56, 28, 14, 7]), (225, [57, 28, 14, 7]), (230, [58, 29, 14, 7]), (250, [63, 31, 15, 7])],
)
def test_sizes_of_the_stages(size, expected):
    with torch.device("meta"):
        outputs = make("DenseNet-121").eval()(torch.empty(1, 3, size, size))
    assert [tuple(outputs[name].shape) for name in STAGES] == [
        (1, channels, s, s) for channels, s in zip(WIDTHS["DenseNet-121"], expected)
    ]


def torchvision_names(num_layers):
    """Ours from torchvision's, tensor by tensor."""
    names = {"features.conv0": "stem.conv1", "features.norm0": "stem.conv1.norm", "features.norm5": "stage5.2.norm"}
    for b, count in enumerate(num_layers, start=1):
        first = int(b > 1)  # the first of a later stage is the transition
        for i in range(count):
            ours, theirs = f"stage{b + 1}.{first}.layers.{i}", f"features.denseblock{b}.denselayer{i + 1}"
            names |= {f"{theirs}.norm1": f"{ours}.first.norm", f"{theirs}.conv1": f"{ours}.first.conv"}
            names |= {f"{theirs}.norm2": f"{ours}.second.norm", f"{theirs}.conv2": f"{ours}.second.conv"}
        names[f"features.transition{b}.norm"] = f"stage{b + 1}.{first + 1}.norm"
        names[f"features.transition{b}.conv"] = f"stage{b + 2}.0.conv"
    return names


def test_features_equal_torchvisions():
    torch.manual_seed(0)
    theirs = torchvision.models.densenet121(weights=None).eval().double()
    for norm in (m for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in (norm.weight.data, norm.running_var):
            tensor.uniform_(0.5, 1.5)
        for tensor in (norm.bias.data, norm.running_mean):
            tensor.normal_(0, 0.2)
    ours = make("DenseNet-121").eval().double()
    names = torchvision_names((6, 12, 24, 16))
    state = {}
    for name, tensor in theirs.state_dict().items():
        module, _, leaf = name.rpartition(".")
        if module != "classifier":
            state[f"{names[module]}.{leaf}"] = tensor
    ours.load_state_dict(state)
    x = torch.randn(1, 3, 65, 96, dtype=torch.float64)
    expected = {}
    for name, module in [("stage2", "transition1"), ("stage3", "transition2"), ("stage4", "transition3")]:
        # before the rectifier, in place, overwrites it
        theirs.features.get_submodule(module).norm.register_forward_hook(
            lambda _module, _inputs, output, name=name: expected.update({name: output.relu()})
        )
    with torch.no_grad():
        expected["stage5"] = theirs.features(x).relu()
        found = ours(x)
    for name in STAGES:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", ["DenseNet-121", "DenseNet-40-12", "DenseNet-BC-40-12"])
def test_every_parameter_gets_a_gradient(variant):
    torch.manual_seed(0)
    net = make(variant)
    outputs = net(torch.randn(2, 3, 64, 64))
    assert all(x.isfinite().all() and x.min() >= 0 for x in outputs.values())
    outputs[list(outputs)[-1]].square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_the_memory_efficient_net_is_the_same_net():
    torch.manual_seed(0)
    plain, efficient = make("DenseNet-BC-40-12"), make("DenseNet-BC-40-12", memory_efficient=True)
    efficient.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 50, 64)
    for net in (plain, efficient):
        sum(y.square().mean() for y in net(x).values()).backward()
    for one, other in zip(plain.parameters(), efficient.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(plain.buffers(), efficient.buffers(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("norm", ["GN", "LN", "FrozenBN", ""])
def test_other_norms_and_activations(norm):
    torch.manual_seed(0)
    net = make("DenseNet-BC-40-12", norm=norm, activation="SiLU", deform=(False, False, True, False))
    assert [any(isinstance(m, DeformableConv) for m in getattr(net, s).modules()) for s in STAGES[:3]] == [0, 0, 1]
    outputs = net(torch.randn(1, 3, 64, 64))
    sum(y.square().mean() for y in outputs.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_group_norm_divides_every_width():
    with torch.device("meta"):
        assert num_params(make("DenseNet-161", norm="GN")) == PARAMETERS["DenseNet-161"]


def test_freezing_includes_the_output_of_a_stage():
    net = make("DenseNet-BC-40-12", freeze_at=2)
    assert not any(p.requires_grad for part in (net.stem, net.stage2) for p in part.parameters())
    assert isinstance(net.stage2[-1].norm, FrozenBatchNorm2d) and isinstance(net.stage3[-1].norm, nn.BatchNorm2d)
    assert all(p.requires_grad for p in net.stage3.parameters())


def test_builder_reads_variant_memory_and_input_channels():
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", "DenseNet-121", "MODEL.BOTTOM_UP.MEMORY_EFFICIENT", True])
    cfg.merge_from_list(["MODEL.BACKBONE.FREEZE_AT", 0])
    with torch.device("meta"):
        net = BACKBONE_REGISTRY.get("build_densenet_backbone")(cfg, ShapeSpec(channels=1))
    assert num_params(net) == PARAMETERS["DenseNet-121"] - 2 * 64 * 49
    assert net.stage3[1].layers[2].first.recompute and not net.stage3[1].layers[2].second.recompute


def test_three_stages_have_no_fourth_to_deform():
    with torch.device("meta"), pytest.raises(ValueError, match="stage5.*no full 3x3 to deform.*DEFORM_ON_PER_STAGE"):
        make("DenseNet-BC-40-12", deform=(False, False, True, True))


@pytest.mark.parametrize(("variant", "num_stages"), [("DenseNet-BC-40-12", 3), ("DenseNet-121", 4)])
def test_without_a_pyramid_every_stage_is_an_output(variant, num_stages):
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", variant, "MODEL.FPN.IN_FEATURES", []])
    with torch.device("meta"):
        net = BACKBONE_REGISTRY.get("build_densenet_backbone")(cfg, ShapeSpec(channels=3))
    assert tuple(net.output_shape()) == STAGES[:num_stages]


def test_a_pyramid_over_three_stages():
    cfg = load_cfg(CONFIG, ["MODEL.BOTTOM_UP.VARIANT", "DenseNet-BC-40-12"])
    cfg.merge_from_list(["MODEL.FPN.IN_FEATURES", ["stage2", "stage3", "stage4"], "MODEL.FPN.TOP_BLOCK_IN", "stage4"])
    with torch.device("meta"):
        pyramid = BACKBONE_REGISTRY.get("build_fpn_backbone")(cfg, ShapeSpec(channels=3))
    assert [shape.stride for shape in pyramid.output_shape().values()] == [4, 8, 16, 32, 64]
