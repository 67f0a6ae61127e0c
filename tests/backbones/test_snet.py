import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.backbones.snet import VARIANTS, make_snet
from dense_det.config import get_cfg
from dense_det.layers.conv import LayerOptions

# by hand from the widths, norms included; what a whole detector costs is in tests/analysis/test_ptflops_counter.py
PARAMETERS = {"SNet-18": 450_400, "SNet-18-dw-stem": 577_249}
STAGES = ("stage2", "stage3", "stage4", "stage5")


def make(variant, norm="GN", out_features=STAGES):
    options = LayerOptions(norm=norm)
    return make_snet(VARIANTS[variant], stem_options=options, stage_options=[options] * 4, out_features=out_features)


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_every_row_has_its_numbers():
    assert list(PARAMETERS) == list(VARIANTS)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters(variant):
    with torch.device("meta"):
        assert num_params(make(variant)) == PARAMETERS[variant]


def test_a_dilated_first_convolution_and_sixteen_halves_of_units():
    for variant, depth in (("SNet-18", 17), ("SNet-18-dw-stem", 18)):
        convs = [m for m in make(variant).modules() if isinstance(m, torch.nn.Conv2d)]
        assert len(convs) == depth
        assert [conv.dilation for conv in convs] == [(2, 2)] + [(1, 1)] * (depth - 1)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(224, [56, 28, 14, 7]), (225, [57, 29, 15, 8]), (230, [58, 29, 15, 8]), (250, [63, 32, 16, 8])],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_sizes_of_the_stages(variant, size, expected):
    with torch.device("meta"):
        outputs = make(variant).eval()(torch.empty(1, 3, size, size))
    assert [tuple(outputs[name].shape) for name in STAGES] == [
        (1, channels, s, s) for channels, s in zip(VARIANTS[variant].widths, expected)
    ]


@pytest.mark.parametrize("norm", ["BN", "SyncBN", "GN", "LN", ""])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant, norm):
    torch.manual_seed(0)
    net = make(variant, norm)
    outputs = net(torch.randn(2, 3, 64, 64))
    assert all(x.isfinite().all() for x in outputs.values())
    outputs["stage5"].square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_builder_reads_variant_norm_and_input_channels():
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", "SNet-18", "MODEL.BOTTOM_UP.NORM", "GN"])
    cfg.merge_from_list(["MODEL.BACKBONE.FREEZE_AT", 1])
    net = BACKBONE_REGISTRY.get("build_snet_backbone")(cfg, ShapeSpec(channels=1))
    assert num_params(net) == PARAMETERS["SNet-18"] - 2 * 24 * 9
    assert tuple(net.output_shape()) == STAGES
    assert [name for name, p in net.named_parameters() if not p.requires_grad] == [
        "stem.conv.weight", "stem.conv.norm.weight", "stem.conv.norm.bias"
    ]  # fmt: skip


def test_depthwise_cannot_be_deformed():
    cfg = get_cfg()
    cfg.MODEL.BOTTOM_UP.VARIANT = "SNet-18"
    cfg.MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE = [False, False, False, True]
    with pytest.raises(ValueError, match="DEFORM_ON_PER_STAGE"):
        BACKBONE_REGISTRY.get("build_snet_backbone")(cfg, ShapeSpec(channels=3))
