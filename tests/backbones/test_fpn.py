import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_backbone
from torch import nn

from dense_det.config import get_cfg

VOVNET = ["MODEL.BACKBONE.NAME", "build_fpn_backbone", "MODEL.BOTTOM_UP.VARIANT", "V-19-slim-dw-eSE"] + [
    "MODEL.BACKBONE.FREEZE_AT", 0, "MODEL.FPN.OUT_CHANNELS", 16, "MODEL.FPN.TOP_BLOCK_IN", "stage5"
]  # fmt: skip


def build(*options):
    cfg = get_cfg()
    cfg.merge_from_list([*VOVNET, "MODEL.FPN.IN_FEATURES", ["stage3", "stage4", "stage5"], *options])
    return build_backbone(cfg)


def strides(fpn):
    return {name: shape.stride for name, shape in fpn.output_shape().items()}


def sizes(fpn, size=128):
    with torch.no_grad():
        outputs = fpn.eval()(torch.zeros(1, 3, size, size))
    assert {x.shape[1] for x in outputs.values()} == {16}
    return {name: x.shape[-1] for name, x in outputs.items()}


def test_retinanets_pyramid():
    fpn = build()
    assert strides(fpn) == {"p3": 8, "p4": 16, "p5": 32, "p6": 64, "p7": 128}
    assert sizes(fpn) == {"p3": 16, "p4": 8, "p5": 4, "p6": 2, "p7": 1}
    assert fpn.size_divisibility == 32
    assert fpn.top_block.p6.in_channels == 512  # stage5's


def test_the_top_block_can_read_the_last_level():
    fpn = build("MODEL.FPN.TOP_BLOCK_IN", "p5")
    assert fpn.top_block.p6.in_channels == 16
    assert sizes(fpn) == {"p3": 16, "p4": 8, "p5": 4, "p6": 2, "p7": 1}


@pytest.mark.parametrize(
    ("in_features", "top_in", "expected"),
    [
        (["stage4", "stage5"], "stage5", {"p4": 8, "p5": 4, "p6": 2, "p7": 1}),
        (["stage5"], "p5", {"p5": 4, "p6": 2, "p7": 1}),
        (["stage2", "stage3", "stage4"], "stage4", {"p2": 32, "p3": 16, "p4": 8, "p5": 4, "p6": 2}),
    ],
)
def test_levels_are_numbered_by_stride(in_features, top_in, expected):
    fpn = build("MODEL.FPN.IN_FEATURES", in_features, "MODEL.FPN.TOP_BLOCK_IN", top_in)
    assert sizes(fpn) == expected
    assert strides(fpn) == {name: 128 // size for name, size in expected.items()}


def test_max_pool_and_no_top_block():
    pooled = build("MODEL.FPN.TOP_BLOCK", "LastLevelMaxPool", "MODEL.FPN.TOP_BLOCK_IN", "p5")
    assert sizes(pooled) == {"p3": 16, "p4": 8, "p5": 4, "p6": 2}
    with torch.no_grad():
        outputs = pooled(torch.rand(1, 3, 128, 128))
    assert torch.equal(outputs["p6"], outputs["p5"][:, :, ::2, ::2])
    assert sizes(build("MODEL.FPN.TOP_BLOCK", "")) == {"p3": 16, "p4": 8, "p5": 4}


@pytest.mark.parametrize(("norm", "kind"), [("GN", nn.GroupNorm), ("BN", nn.BatchNorm2d)])
def test_norm_of_any_width(norm, kind):
    fpn = build("MODEL.FPN.NORM", norm, "MODEL.FPN.OUT_CHANNELS", 20)
    assert isinstance(fpn.fpn_lateral3.norm, kind) and isinstance(fpn.fpn_output5.norm, kind)
    assert fpn.fpn_lateral3.bias is None


def test_average_instead_of_sum():
    outputs = {}
    for fuse_type in ("sum", "avg"):
        torch.manual_seed(0)
        fpn = build("MODEL.FPN.FUSE_TYPE", fuse_type).eval()
        with torch.no_grad():
            outputs[fuse_type] = fpn(torch.ones(1, 3, 64, 64))
    # without norm and bias the output convolution is linear; nothing comes down to the coarsest level
    assert torch.allclose(outputs["avg"]["p4"], outputs["sum"]["p4"] / 2, atol=1e-6)
    assert torch.equal(outputs["avg"]["p5"], outputs["sum"]["p5"])


def num_params(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("norm", "extra"), [("", 16), ("GN", 2 * 16)])
def test_depthwise_separable_outputs_by_hand(norm, extra):
    fpn = build("MODEL.FPN.DEPTHWISE", True, "MODEL.FPN.NORM", norm)
    assert sizes(fpn) == {"p3": 16, "p4": 8, "p5": 4, "p6": 2, "p7": 1}
    for level in (3, 4, 5):
        assert num_params(getattr(fpn, f"fpn_output{level}")) == 16 * 9 + 16 * 16 + extra
    # no norm here, as in Detectron2's
    assert num_params(fpn.top_block.p6) == 512 * 9 + 512 * 16 + 16
    assert num_params(fpn.top_block.p7) == 16 * 9 + 16 * 16 + 16


def test_depthwise_separable_outputs_are_linear_and_learn():
    torch.manual_seed(0)
    fpn = build("MODEL.FPN.DEPTHWISE", True, "MODEL.BOTTOM_UP.NORM", "GN")
    outputs = fpn(torch.randn(2, 3, 128, 128))
    assert all((x < 0).any() for x in outputs.values())
    sum(x.square().mean() for x in outputs.values()).backward()
    for name, parameter in fpn.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_p7_reads_what_is_positive_in_p6():
    fpn = build("MODEL.FPN.DEPTHWISE", True)
    x = torch.rand(1, 512, 8, 8)
    with torch.no_grad():
        p6, p7 = fpn.top_block(x)
        assert torch.equal(p7, fpn.top_block.p7(p6.relu()))


def test_detectron2s_resnet_through_the_same_door():
    cfg = get_cfg()
    cfg.merge_from_list([*VOVNET, "MODEL.BOTTOM_UP.NAME", "build_resnet_backbone", "MODEL.FPN.TOP_BLOCK_IN", "res5"])
    cfg.merge_from_list(["MODEL.RESNETS.DEPTH", 18, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "MODEL.RESNETS.NORM", "GN"])
    cfg.MODEL.RESNETS.OUT_FEATURES = cfg.MODEL.FPN.IN_FEATURES = ["res3", "res4", "res5"]
    assert sizes(build_backbone(cfg, ShapeSpec(channels=3))) == {"p3": 16, "p4": 8, "p5": 4, "p6": 2, "p7": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.BOTTOM_UP.NAME", "build_vovnet"], "MODEL.BOTTOM_UP.NAME: .*did you mean 'build_vovnet_backbone'"),
        (["MODEL.BOTTOM_UP.NAME", "build_fpn_backbone"], "MODEL.BOTTOM_UP.NAME: no bottom-up named"),
        (["MODEL.BOTTOM_UP.VARIANT", "V-19-slim-eES"], "did you mean 'V-19-slim-eSE'"),
        (["MODEL.FPN.IN_FEATURES", ["res3", "res4"]], "IN_FEATURES.*'res3'.*Known: stage2"),
        (["MODEL.FPN.IN_FEATURES", ["stage3", "stage5"]], r"neighbouring outputs.*strides \[8, 32\]"),
        (["MODEL.FPN.IN_FEATURES", []], "neighbouring outputs"),
        (["MODEL.FPN.NORM", "GroupNorm"], "no norm named 'GroupNorm'"),
        (["MODEL.FPN.FUSE_TYPE", "mean"], "MODEL.FPN.FUSE_TYPE: no fuse type named 'mean'"),
        (["MODEL.FPN.TOP_BLOCK", "LastLevelP6"], "MODEL.FPN.TOP_BLOCK: .*did you mean 'LastLevelP6P7'"),
        (["MODEL.FPN.TOP_BLOCK_IN", "stage4"], "MODEL.FPN.TOP_BLOCK_IN: .*Known: p5, stage5"),
        (["MODEL.FPN.TOP_BLOCK", "LastLevelMaxPool"], "LastLevelMaxPool pools 'p5', got 'stage5'"),
    ],
)
def test_what_is_misspelt_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(*options)
