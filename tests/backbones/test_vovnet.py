import re

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.backbones.vovnet import VARIANTS, make_vovnet
from dense_det.config import get_cfg
from dense_det.layers.attention import ESE
from dense_det.layers.conv import DeformableConv, LayerOptions

# bottom-up with BN, with FrozenBN, and the eSE layers of it: counted on the published networks; V1's and timm's files
# are published with BN alone
PARAMETERS = {
    "V-19-slim-dw-eSE": (1_384_752, 1_379_152, 488_944),
    "V-19-dw-eSE": (5_518_080, 5_506_944, 1_968_640),
    "V-19-slim-eSE": (2_653_136, 2_647_984, 488_944),
    "V-19-eSE": (10_180_416, 10_170_560, 1_968_640),
    "V-39-eSE": (25_184_128, 25_163_712, 3_608_832),
    "V-57-eSE": (41_454_912, 41_423_296, 5_839_616),
    "V-99-eSE": (69_523_520, 69_469_376, 9_317_888),
    "ese_vovnet39b": (23_543_936, 23_523_520, 1_968_640),
    "ese_vovnet57b": (37_583_936, 37_552_320, 1_968_640),
    "ese_vovnet99b": (62_174_272, 62_120_128, 1_968_640),
    "V-27-slim": (3_012_736, 3_006_144, 0),
    "V-39": (21_575_296, 21_554_880, 0),
    "V-57": (35_615_296, 35_583_680, 0),
    "V-99": (60_205_632, 60_151_488, 0),
}
STAGES = ("stage2", "stage3", "stage4", "stage5")


def make(variant, norm="BN", deform=(False, False, False, False), out_features=STAGES):
    options = LayerOptions(norm=norm)
    stage_options = [LayerOptions(norm=norm, conv="deform" if d else "plain") for d in deform]
    return make_vovnet(VARIANTS[variant], stem_options=options, stage_options=stage_options, out_features=out_features)


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_every_row_has_its_numbers():
    assert list(PARAMETERS) == list(VARIANTS)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters(variant):
    with torch.device("meta"):
        net, frozen = make(variant), make(variant, norm="FrozenBN")
    attention = sum(num_params(m) for m in net.modules() if isinstance(m, ESE))
    assert (num_params(net), num_params(frozen), attention) == PARAMETERS[variant]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_depth_is_in_the_name(variant):
    spec = VARIANTS[variant]
    assert int(re.search(r"\d+", variant)[0]) == 3 + sum(spec.num_blocks) * (spec.num_convs + 1)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(224, [56, 28, 14, 7]), (225, [57, 28, 14, 7]), (230, [58, 29, 14, 7]), (250, [63, 31, 15, 7])],
)
def test_sizes_of_the_stages(size, expected):
    with torch.device("meta"):
        outputs = make("V-39-eSE").eval()(torch.empty(1, 3, size, size))
    assert [tuple(outputs[name].shape) for name in STAGES] == [
        (1, channels, s, s) for channels, s in zip((256, 512, 768, 1024), expected)
    ]


def test_the_first_block_of_a_stage_adds_nothing_and_the_others_their_input():
    with torch.device("meta"):
        net = make("V-57-eSE")
    assert [[block.residual for block in getattr(net, name)] for name in STAGES] == [
        [False],
        [False],
        [False, True, True, True],
        [False, True, True],
    ]


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("V-57-eSE", [[1], [1], [1, 1, 1, 1], [1, 1, 1]]),
        ("ese_vovnet57b", [[1], [1], [0, 0, 0, 1], [0, 0, 1]]),
        ("V-57", [[0], [0], [0, 0, 0, 0], [0, 0, 0]]),
    ],
)
def test_which_blocks_have_ese(variant, expected):
    with torch.device("meta"):
        net = make(variant)
    assert [[isinstance(block.attention, ESE) for block in getattr(net, name)] for name in STAGES] == expected


# the deep nets without eSE in every block have nothing that V-39 and the others do not have
@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v not in ("V-57", "V-99", "ese_vovnet57b", "ese_vovnet99b")]
)
def test_every_parameter_gets_a_gradient(variant):
    torch.manual_seed(0)
    net = make(variant)
    outputs = net(torch.randn(2, 3, 64, 64))
    outputs["stage5"].square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize(
    "deform", [(True, False, False, False), (False, True, False, False), (False, False, True, True)]
)
def test_deformable_stages(deform):
    torch.manual_seed(0)
    net = make("V-19-slim-eSE", norm="GN", deform=deform)
    for name, expected in zip(STAGES, deform):
        assert any(isinstance(m, DeformableConv) for m in getattr(net, name).modules()) is expected
    net(torch.randn(1, 3, 64, 64))["stage5"].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_builder_reads_variant_norm_and_input_channels():
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", "V-19-slim-dw-eSE", "MODEL.BOTTOM_UP.NORM", "FrozenBN"])
    cfg.merge_from_list(["MODEL.BACKBONE.FREEZE_AT", 0])
    net = BACKBONE_REGISTRY.get("build_vovnet_backbone")(cfg, ShapeSpec(channels=1))
    # one channel instead of three: two thirds of the first convolution less
    assert num_params(net) == PARAMETERS["V-19-slim-dw-eSE"][1] - 2 * 64 * 9
    assert tuple(net.output_shape()) == STAGES
