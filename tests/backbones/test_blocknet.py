import inspect

import hypothesis.strategies as st
import pytest
import torch
import torchvision
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, build_model
from hypothesis import given, settings
from torch import nn

from dense_det.backbones.blocknet import STEMS, VARIANTS, make_blocknet, own_arguments, repeat
from dense_det.blocks.build import BLOCK_REGISTRY, Block
from dense_det.config import get_cfg, load_cfg
from dense_det.layers.conv import LayerOptions, conv3x3

STAGES = ("stage2", "stage3", "stage4", "stage5")

# row -> torchvision's network, and the parts of it that the bottom-up leaves out
TORCHVISION = {
    "ResNet-18": lambda: without(torchvision.models.resnet18(), "fc"),
    "ResNet-34": lambda: without(torchvision.models.resnet34(), "fc"),
    "MobileNetV2": lambda: without(torchvision.models.mobilenet_v2().features, "18"),
    "MobileNetV2-half": lambda: without(torchvision.models.mobilenet_v2(width_mult=0.5).features, "18"),
}
# bottom-up with BN
PARAMETERS = {
    "ResNet-18": 11_176_512,
    "ResNet-34": 21_284_672,
    "ResNet-18-half": 2_798_880,
    "ResNet-18-1ReLU": 11_176_512,
    "ResNet-18-half-1ReLU": 2_798_880,
    "ResNet-34-half": 5_327_776,
    "MobileNetV2": 1_811_712,
    "MobileNetV2-half": 480_320,
}


def without(net, part):
    delattr(net, part)
    return net


def make(variant, norm="BN", activation="ReLU", freeze_at=0):
    options = LayerOptions(norm=norm, activation=activation)
    shared = {"stem_options": options, "stage_options": [options] * 4}
    return make_blocknet(VARIANTS[variant], **shared, out_features=STAGES, freeze_at=freeze_at)


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def blocknet_cfg(**net):
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.NAME", "build_blocknet_backbone", "MODEL.BACKBONE.FREEZE_AT", 0])
    for key, value in net.items():
        cfg.merge_from_list([f"MODEL.BOTTOM_UP.BLOCKNET.{key}", value])
    return cfg


def build(cfg):
    return BACKBONE_REGISTRY.get("build_blocknet_backbone")(cfg, ShapeSpec(channels=3))


# --- rows ----------------------------------------------------------------------------------------------------------


def test_every_row_has_its_number():
    assert list(PARAMETERS) == list(VARIANTS)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters(variant):
    with torch.device("meta"):
        assert num_params(make(variant)) == PARAMETERS[variant]


@pytest.mark.parametrize("variant", TORCHVISION)
def test_parameters_are_those_of_torchvision(variant):
    with torch.device("meta"):
        assert num_params(TORCHVISION[variant]()) == PARAMETERS[variant]


@pytest.mark.parametrize(
    ("variant", "widths"), [("ResNet-34", (64, 128, 256, 512)), ("MobileNetV2", (24, 32, 96, 320))]
)
@pytest.mark.parametrize(
    ("size", "expected"),
    [(224, [56, 28, 14, 7]), (225, [57, 29, 15, 8]), (230, [58, 29, 15, 8]), (250, [63, 32, 16, 8])],
)
def test_sizes_of_the_stages(variant, widths, size, expected):
    with torch.device("meta"):
        outputs = make(variant).eval()(torch.empty(1, 3, size, size))
    assert [tuple(y.shape) for y in outputs.values()] == [(1, c, s, s) for c, s in zip(widths, expected, strict=True)]


def in_order(ours, theirs):
    """`theirs` loads into `ours` by the order of layers alone: the structure is the same."""
    values, names = list(theirs.state_dict().values()), list(ours.state_dict())
    shapes = [x.shape for x in ours.state_dict().values()]
    assert [x.shape for x in values] == shapes
    ours.load_state_dict(dict(zip(names, values, strict=True)))


def test_mobilenet_computes_what_torchvision_computes():
    torch.manual_seed(0)
    theirs = torchvision.models.mobilenet_v2().features[:18].eval()
    for norm in (m for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
    ours = make("MobileNetV2", activation="ReLU6").eval()
    in_order(ours, theirs)
    x = torch.randn(1, 3, 75, 64)
    expected, last = [], x
    for i, layer in enumerate(theirs):
        last = layer(last)
        if i in (3, 6, 13, 17):
            expected.append(last)
    for y, y_expected in zip(ours(x).values(), expected, strict=True):
        assert torch.allclose(y, y_expected, atol=1e-5)


def test_resnet_computes_what_torchvision_computes():
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    for norm in (m for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.5, 0.5)
    ours = make("ResNet-18").eval()
    names = {"conv1": "stem.conv1", "bn1": "stem.conv1.norm"}
    for layer in range(1, 5):
        for block in range(2):
            of_theirs, of_ours = f"layer{layer}.{block}", f"stage{layer + 1}.{block}"
            for conv in (1, 2):
                names[f"{of_theirs}.conv{conv}"] = f"{of_ours}.conv{conv}"
                names[f"{of_theirs}.bn{conv}"] = f"{of_ours}.conv{conv}.norm"
            names[f"{of_theirs}.downsample.0"] = f"{of_ours}.shortcut"
            names[f"{of_theirs}.downsample.1"] = f"{of_ours}.shortcut.norm"
    state = {}
    for name, value in theirs.state_dict().items():
        module, _, leaf = name.rpartition(".")
        if module != "fc":
            state[f"{names[module]}.{leaf}"] = value
    ours.load_state_dict(state)
    x = torch.randn(1, 3, 75, 64)
    y = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
    for layer, feature in zip(
        (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4), ours(x).values(), strict=True
    ):
        y = layer(y)
        assert torch.allclose(feature, y, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["BN", "GN"])
@pytest.mark.parametrize("variant", ["ResNet-18-half-1ReLU", "MobileNetV2"])
def test_every_parameter_gets_a_gradient(variant, norm):
    torch.manual_seed(0)
    net = make(variant, norm=norm)
    outputs = net(torch.randn(2, 3, 64, 64))
    assert all(0.1 < y.std() < 10 for y in outputs.values())
    outputs["stage5"].square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize("freeze_at", [0, 1, 3])
def test_freezing(freeze_at):
    with torch.device("meta"):
        net = make("MobileNetV2", freeze_at=freeze_at)
    frozen = [not any(p.requires_grad for p in getattr(net, part).parameters()) for part in ("stem", *STAGES)]
    assert frozen == [i < freeze_at for i in range(5)]


def test_the_builder_finds_rows():
    cfg = blocknet_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", "ResNet-18-half", "MODEL.BOTTOM_UP.NORM", "GN"])
    assert num_params(build(cfg)) == PARAMETERS["ResNet-18-half"]
    cfg.MODEL.BOTTOM_UP.VARIANT = "ResNet18"
    with pytest.raises(ValueError, match="no variant named 'ResNet18'; did you mean 'ResNet-18'"):
        build(cfg)


# --- any block -----------------------------------------------------------------------------------------------------


def required(name):
    parameters = inspect.signature(BLOCK_REGISTRY.get(name)).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty and p.name != "options"]


# whatever needs no arguments, and one that does
OPTIONS = {name: [] for name, _ in BLOCK_REGISTRY if not required(name)}
OPTIONS["OSABlock"] = ["mid_channels", 8, "num_convs", 2]


@settings(max_examples=40)
@given(
    block=st.sampled_from(sorted(OPTIONS)),
    num_blocks=st.lists(st.integers(1, 2), min_size=4, max_size=4),
    widths=st.lists(st.integers(1, 20).map(lambda half: 2 * half), min_size=4, max_size=4),
    stem=st.sampled_from(sorted(STEMS)),
    stem_width=st.integers(1, 12).map(lambda half: 2 * half),
    norm=st.sampled_from(["BN", "GN", "LN"]),
)
def test_any_block_in_any_depth_and_width_behind_any_stem(block, num_blocks, widths, stem, stem_width, norm):
    cfg = blocknet_cfg(
        BLOCK=block, NUM_BLOCKS=num_blocks, WIDTHS=widths, STEM=stem, STEM_WIDTH=stem_width, OPTIONS=OPTIONS[block]
    )
    cfg.merge_from_list(["MODEL.BOTTOM_UP.NORM", norm, "MODEL.FPN.IN_FEATURES", list(STAGES)])
    net = build(cfg).eval()
    outputs = net(torch.randn(1, 3, 32, 64))
    assert [len(getattr(net, stage)) for stage in STAGES] == num_blocks
    assert {name: (shape.channels, shape.stride) for name, shape in net.output_shape().items()} == {
        stage: (width, 2**k) for k, (stage, width) in enumerate(zip(STAGES, widths, strict=True), start=2)
    }
    assert [tuple(y.shape) for y in outputs.values()] == [
        (1, width, 32 // 2**k, 64 // 2**k) for k, width in enumerate(widths, start=2)
    ]


def test_six_lines_of_yaml(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        """MODEL:
  META_ARCHITECTURE: DenseDetRetinaNet
  BOTTOM_UP:
    NAME: build_blocknet_backbone
    BLOCKNET: {BLOCK: ResNeXtBlock, NUM_BLOCKS: [1, 2, 1, 1], WIDTHS: [16, 24, 32, 48], OPTIONS: [c, 8, se_rate, 4]}
  BACKBONE: {NAME: build_fpn_backbone, FREEZE_AT: 0}
""",
        encoding="utf-8",
    )
    cfg = load_cfg(path, ["MODEL.FPN.IN_FEATURES", ["stage3", "stage4", "stage5"], "MODEL.DEVICE", "cpu"])
    cfg.merge_from_list(["MODEL.RETINANET.IN_FEATURES", ["p3", "p4", "p5", "p6", "p7"]])
    bottom_up = build_model(cfg).backbone.bottom_up
    assert [len(getattr(bottom_up, stage)) for stage in STAGES] == [1, 2, 1, 1]
    assert bottom_up.stage3[1].conv2.groups == 8
    # 24 channels squeezed by four
    assert bottom_up.stage3[1].attention.fc1.out_channels == 6


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ({"BLOCK": "InceptionBlok"}, "BLOCKNET.BLOCK: no block named 'InceptionBlok'; did you mean 'InceptionBlock'"),
        (
            {"BLOCK": "InceptionBlock", "OPTIONS": ["c", 4]},
            "no argument of InceptionBlock named 'c'.*Known: f, r, se_rate",
        ),
        ({"BLOCK": "InceptionBlock", "OPTIONS": ["r"]}, "NAME, value, .* got 1 words"),
        ({"BLOCK": "InceptionBlock", "OPTIONS": ["r", "four"]}, "r of InceptionBlock is like 4, got 'four'"),
        ({"BLOCK": "ResidualBlock", "OPTIONS": ["shortcut", 0]}, "shortcut of ResidualBlock is like True, got 0"),
        ({"BLOCK": "BottleneckBlock", "OPTIONS": ["r", 0]}, "1 or more, got 0"),
        ({"BLOCK": "OSABlock", "OPTIONS": ["num_convs", 3]}, "OSABlock has no default for mid_channels"),
        ({"BLOCK": "OSABlock", "OPTIONS": ["mid_channels", 8, "num_convs", 2.5]}, "num_convs of OSABlock .* got 2.5"),
        (
            {"BLOCK": "TwoWayDenseBlock", "OPTIONS": ["num_layers", "two"]},
            "num_layers of TwoWay.* 1 or more; got 'two'",
        ),
        ({"BLOCK": "TwoWayDenseBlock", "OPTIONS": ["num_layers", True]}, "num_layers of TwoWay.* 1 or more; got True"),
        ({"BLOCK": "TwoWayDenseBlock", "OPTIONS": ["num_layers", 1, "bypass", False]}, "is like 0.0, got False"),
        ({"BLOCK": "InceptionBlock", "OPTIONS": ["f", 0]}, "f of InceptionBlock is a whole number, 1 or more; got 0"),
        ({"BLOCK": "ResidualBlock", "STEM": "ResnetStem"}, "no stem .*did you mean 'ResNetStem'"),
        ({"BLOCK": "ResidualBlock", "WIDTHS": [64, 128, 256]}, "BLOCKNET.WIDTHS .* got \\[64, 128, 256\\]"),
        ({"BLOCK": "ResidualBlock", "NUM_BLOCKS": [2, 2, 0, 2]}, "BLOCKNET.NUM_BLOCKS has a whole number"),
    ],
)
def test_what_is_refused(net, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        build(blocknet_cfg(**net))


def test_options_are_pairs():
    assert own_arguments("ResidualBlock", ["inner_activation", False, "se_rate", 16]) == {
        "inner_activation": False,
        "se_rate": 16,
    }
    # the width of a branch is derived unless given
    assert own_arguments("InceptionBlock", ["f", 32]) == {"f": 32}
    bypass = own_arguments("TwoWayDenseBlock", ["num_layers", 2, "bypass", 0])["bypass"]
    assert type(bypass) is float and bypass == 0


def test_repeat():
    assert repeat((2, 1), (64, 128)) == ((64, 64), (128,))


def test_a_new_block_is_ten_lines():
    @BLOCK_REGISTRY.register()
    class PlainBlock(Block):
        def __init__(self, in_channels, out_channels, *, stride=1, options):
            super().__init__(in_channels, out_channels, stride)
            self.conv = conv3x3(in_channels, out_channels, options, stride=stride)

        def forward(self, x):
            return self.conv(x)

    try:
        with torch.device("meta"):
            net = build(blocknet_cfg(BLOCK="PlainBlock", WIDTHS=[8, 16, 24, 32]))
    finally:
        BLOCK_REGISTRY._obj_map.pop("PlainBlock")
    assert num_params(net.stage3) == 9 * (8 * 16 + 16 * 16) + 2 * (16 + 16)
