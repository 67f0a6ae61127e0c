from dataclasses import replace

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from torch import nn

from dense_det.analysis.complexity import count_macs, count_parameters
from dense_det.backbones.peleenet import VARIANTS, make_peleenet
from dense_det.blocks.two_way_dense import TwoWayDenseBlock
from dense_det.config import get_cfg
from dense_det.layers.conv import LayerOptions

# with BN, and MACs at 224 px, no classifier: PeleeNet's are those of the authors' code, the others of our reading
COUNTS = {
    "PeleeNet": (2_097_248, 507_053_568),
    "CSPPeleeNet": (2_148_896, 437_409_280),
    "CSPPeleeNet-gamma-0.25": (2_522_880, 500_831_744),
}
STAGES = ("stage2", "stage3", "stage4", "stage5")


def make(variant, norm="BN", out_features=STAGES, **arguments):
    options = LayerOptions(norm=norm)
    spec = VARIANTS[variant] if isinstance(variant, str) else variant
    return make_peleenet(
        spec, stem_options=options, stage_options=[options] * 4, out_features=out_features, **arguments
    )


def test_every_row_has_its_numbers():
    assert list(COUNTS) == list(VARIANTS)


@pytest.mark.parametrize("variant", COUNTS)
def test_parameters_and_macs(variant):
    with torch.device("meta"):
        net = make(variant)
    assert (count_parameters(net), count_macs(net, 224)) == COUNTS[variant]


def test_parts_of_peleenet():
    with torch.device("meta"):
        net = make("PeleeNet")
    stages = [getattr(net, name)[0] for name in STAGES]
    assert count_parameters(net.stem) == 8_256
    assert [count_parameters(s.layers) for s in stages] == [27_360, 92_032, 545_536, 581_184]
    assert [count_parameters(s.transition) for s in stages] == [16_640, 66_048, 263_168, 497_024]
    # the widths of the bottlenecks are those asked for: the rule does not bind
    assert [{layer.branch1a.out_channels for layer in s.layers} for s in stages] == [{16}, {32}, {64}, {64}]


def test_the_bottleneck_rule_binds_when_every_block_asks_for_four():
    with torch.device("meta"):
        net = make(replace(VARIANTS["PeleeNet"], multipliers=(4, 4, 4, 4)))
    assert [layer.branch2a.out_channels for layer in net.stage2[0].layers] == [16, 32, 48]


@pytest.mark.parametrize(
    ("variant", "weights", "bflops"), [("PeleeNet", 2.79e6, 1.017), ("CSPPeleeNet", 2.83e6, 0.888)]
)
def test_what_the_csp_paper_published_of_both(variant, weights, bflops):
    with torch.device("meta"):
        net = make(variant)
    # Darknet counts no norms
    num_weights = sum(m.weight.numel() for m in net.modules() if isinstance(m, nn.Conv2d))
    assert num_weights + 704 * 1000 + 1000 == pytest.approx(weights, rel=0.005)
    assert 2 * (count_macs(net, 224) + 704_000) == pytest.approx(bflops * 1e9, rel=0.015)


SIZES = {
    224: ([56, 28, 14, 7], [56, 28, 14, 7]),
    225: ([57, 28, 14, 7], [57, 29, 15, 8]),
    230: ([58, 29, 14, 7], [58, 29, 15, 8]),
    250: ([63, 31, 15, 7], [63, 32, 16, 8]),
    # Pelee's own input: Caffe has 10 where PyTorch has 9
    304: ([76, 38, 19, 9], [76, 38, 19, 10]),
}


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("variant", ["PeleeNet", "CSPPeleeNet"])
def test_sizes_of_the_stages(variant, ceil_mode):
    net = make(variant, ceil_mode=ceil_mode).eval()
    for size, expected in SIZES.items():
        with torch.no_grad():
            outputs = net(torch.zeros(1, 3, size, 64))
        widths = (128, 256, 512, 704)
        assert [tuple(outputs[name].shape) for name in STAGES] == [
            (1, channels, height, width)
            for channels, height, width in zip(widths, expected[ceil_mode], (16, 8, 4, 2), strict=True)
        ]


def test_a_stage_is_tapped_before_its_pool():
    torch.manual_seed(0)
    net = make("PeleeNet").eval()
    x = torch.randn(1, 3, 64, 64)
    outputs = net(x)
    block = net.stage3[0]
    pooled = nn.functional.avg_pool2d(outputs["stage2"], 2)
    assert torch.allclose(outputs["stage3"], block.transition(block.layers(pooled)), atol=1e-6)


@pytest.mark.parametrize("variant", ["CSPPeleeNet", "CSPPeleeNet-gamma-0.25"])
def test_a_partial_stage_is_the_transition_of_the_one_before_and_a_partial_block(variant):
    with torch.device("meta"):
        net = make(variant)
    kinds = [[type(block).__name__ for block in getattr(net, name)] for name in STAGES]
    dense = TwoWayDenseBlock.__name__
    assert kinds == [[dense], ["Transition", dense], ["Transition", dense], ["Transition", dense, "Transition"]]
    gamma = VARIANTS[variant].bypass
    blocks = [block for name in STAGES for block in getattr(net, name) if isinstance(block, TwoWayDenseBlock)]
    assert [b.skipped for b in blocks] == [gamma * width for width in (32, 128, 256, 512)]
    # the partial transition keeps its width
    assert all(b.transition.in_channels == b.transition.out_channels for b in blocks)


@pytest.mark.parametrize(("variant", "norm"), [("PeleeNet", "BN"), ("CSPPeleeNet", "BN"), ("PeleeNet", "GN")])
def test_every_parameter_gets_a_gradient(variant, norm):
    torch.manual_seed(0)
    net = make(variant, norm)
    outputs = net(torch.randn(2, 3, 64, 64))
    assert all(y.isfinite().all() and 0.05 < y.std() < 5 for y in outputs.values())
    outputs["stage5"].square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_builder_reads_the_config():
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", "PeleeNet", "MODEL.BACKBONE.FREEZE_AT", 2])
    cfg.merge_from_list(["MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE", [False, False, False, True]])
    cfg.merge_from_list(["MODEL.PELEENET.CEIL_MODE", True])
    net = BACKBONE_REGISTRY.get("build_peleenet_backbone")(cfg, ShapeSpec(channels=1))
    assert {name: (s.channels, s.stride) for name, s in net.output_shape().items()} == {
        "stage2": (128, 4),
        "stage3": (256, 8),
        "stage4": (512, 16),
        "stage5": (704, 32),
    }
    frozen = {name.split(".")[0] for name, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {"stem", "stage2"}
    outputs = net.eval()(torch.randn(1, 1, 57, 33))
    assert [tuple(y.shape[2:]) for y in outputs.values()] == [(15, 9), (8, 5), (4, 3), (2, 2)]
