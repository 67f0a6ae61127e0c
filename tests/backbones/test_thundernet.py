import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY

from dense_det.analysis.complexity import count_macs
from dense_det.backbones.thundernet import VARIANTS, make_thundernet
from dense_det.config import get_cfg
from dense_det.layers.conv import LayerOptions

# parameters, and millions of multiply-adds at 224x224
NUMBERS = {"SNet49": (362_548, 50.69), "SNet146": (1_043_748, 160.61), "SNet535": (3_542_144, 534.36)}
WIDTHS = {"SNet49": (24, 60, 120, 512), "SNet146": (24, 132, 264, 528), "SNet535": (48, 248, 496, 992)}
STAGES = ("stage2", "stage3", "stage4", "stage5")


def make(variant, norm="BN", out_features=STAGES):
    options = LayerOptions(norm=norm)
    shared = {"stem_options": options, "stage_options": [options] * 4, "out_features": out_features}
    return make_thundernet(VARIANTS[variant], **shared)


def test_every_row_has_its_numbers():
    assert list(NUMBERS) == list(VARIANTS)


@pytest.mark.parametrize("variant", NUMBERS)
def test_parameters_and_multiply_adds(variant):
    with torch.device("meta"):
        net = make(variant)
    assert (sum(p.numel() for p in net.parameters()), round(count_macs(net, 224) / 1e6, 2)) == NUMBERS[variant]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(224, [56, 28, 14, 7]), (225, [57, 29, 15, 8]), (230, [58, 29, 15, 8]), (250, [63, 32, 16, 8])],
)
def test_sizes_of_the_stages(size, expected):
    with torch.device("meta"):
        outputs = make("SNet49").eval()(torch.empty(1, 3, size, size))
    assert [tuple(outputs[name].shape) for name in STAGES] == [
        (1, channels, s, s) for channels, s in zip(WIDTHS["SNet49"], expected)
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_widths_of_the_stages(variant):
    with torch.device("meta"):
        assert tuple(shape.channels for shape in make(variant).output_shape().values()) == WIDTHS[variant]


@pytest.mark.parametrize("norm", ["BN", "GN"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant, norm):
    torch.manual_seed(0)
    net = make(variant, norm)
    outputs = net(torch.randn(2, 3, 64, 64))
    assert all(x.isfinite().all() for x in outputs.values())
    outputs["stage5"].square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_the_pooled_stem_has_nothing_to_deform():
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", "SNet49"])
    cfg.MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE = [True, False, False, False]
    with pytest.raises(ValueError, match="ThunderNet's stage2, .* no full 3x3 to deform.*DEFORM_ON_PER_STAGE"):
        BACKBONE_REGISTRY.get("build_thundernet_backbone")(cfg, ShapeSpec(channels=3))


def test_builder_freezes_and_reads_the_channels():
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", "SNet49", "MODEL.BACKBONE.FREEZE_AT", 2])
    net = BACKBONE_REGISTRY.get("build_thundernet_backbone")(cfg, ShapeSpec(channels=1))
    # one channel instead of three; FrozenBN's numbers are buffers
    assert sum(p.numel() for p in net.parameters()) == NUMBERS["SNet49"][0] - 2 * 24 * 9 - 2 * 24
    assert {name.split(".")[0] for name, p in net.named_parameters() if not p.requires_grad} == {"stem"}
