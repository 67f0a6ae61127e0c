import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.analysis.complexity import count_macs, count_parameters
from dense_det.backbones.cspnet import VARIANTS, make_cspnet
from dense_det.config import get_cfg
from dense_det.layers.conv import DeformableConv, LayerOptions

# with BN, without classifier: timm's; MACs at 224 px with a classifier of 1000, in millions; widths of the stages
COUNTS = {
    "CSPResNet-50": (20_591_168, 3_458.8, (128, 256, 512, 1024)),
    "CSPResNeXt-50": (18_520_896, 3_074.4, (256, 512, 1024, 2048)),
    "CSPDarknet-53": (26_617_184, 5_002.6, (128, 256, 512, 1024)),
}
STAGES = ("stage2", "stage3", "stage4", "stage5")


def make(variant, norm="BN", out_features=STAGES, conv="plain"):
    options = LayerOptions(norm=norm, activation="LeakyReLU")
    stage_options = [LayerOptions(norm=norm, activation="LeakyReLU", conv=conv)] * 4
    return make_cspnet(VARIANTS[variant], stem_options=options, stage_options=stage_options, out_features=out_features)


def test_every_row_has_its_numbers():
    assert list(COUNTS) == list(VARIANTS)


@pytest.mark.parametrize("variant", COUNTS)
def test_parameters_and_macs(variant):
    with torch.device("meta"):
        net = make(variant)
    num_params, macs, widths = COUNTS[variant]
    assert count_parameters(net) == num_params
    assert (count_macs(net, 224) + widths[-1] * 1000) / 1e6 == pytest.approx(macs, abs=0.1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sizes_of_the_stages(variant):
    sizes = {224: [56, 28, 14, 7], 225: [57, 29, 15, 8], 230: [58, 29, 15, 8], 250: [63, 32, 16, 8]}
    net = make(variant).eval()
    for size, expected in sizes.items():
        with torch.no_grad():
            outputs = net(torch.zeros(1, 3, size, 64))
        widths = COUNTS[variant][2]
        assert [tuple(outputs[name].shape) for name in STAGES] == [
            (1, channels, height, width)
            for channels, height, width in zip(widths, expected, (16, 8, 4, 2), strict=True)
        ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant):
    torch.manual_seed(0)
    net = make(variant)
    outputs = net(torch.randn(2, 3, 64, 64))
    assert all(y.isfinite().all() and 0.05 < y.std() < 5 for y in outputs.values())
    outputs["stage5"].square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_group_norm_and_deformable_convolutions_fit_everywhere(variant):
    net = make(variant, norm="GN", conv="deform")
    with torch.no_grad():
        outputs = net(torch.randn(1, 3, 64, 64))
    assert all(y.isfinite().all() for y in outputs.values())
    assert outputs["stage5"].shape == (1, COUNTS[variant][2][3], 2, 2)
    num_blocks = sum(VARIANTS[variant].num_blocks)
    assert sum(isinstance(m, DeformableConv) for m in net.modules()) == num_blocks


def test_builder_reads_the_config():
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", "CSPDarknet-53", "MODEL.BACKBONE.FREEZE_AT", 1])
    with torch.device("meta"):
        net = BACKBONE_REGISTRY.get("build_cspnet_backbone")(cfg, ShapeSpec(channels=1))
    assert net.stem.conv1.weight.shape == (32, 1, 3, 3)
    assert {name: (s.channels, s.stride) for name, s in net.output_shape().items()} == {
        "stage2": (128, 4),
        "stage3": (256, 8),
        "stage4": (512, 16),
        "stage5": (1024, 32),
    }
    # the stem includes the stage at stride 2
    frozen = {name.split(".")[0] for name, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {"stem"}
