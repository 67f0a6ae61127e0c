import pytest
import torch
from detectron2.modeling import build_backbone

from dense_det.backbones.efm import EFM, fuse
from dense_det.config import get_cfg


def build(*options, name="build_efm_backbone"):
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.BACKBONE.NAME", name, "MODEL.BACKBONE.FREEZE_AT", 0, "MODEL.FPN.OUT_CHANNELS", 16])
    cfg.merge_from_list(["MODEL.BOTTOM_UP.NAME", "build_snet_backbone", "MODEL.BOTTOM_UP.VARIANT", "SNet-18"])
    cfg.merge_from_list(["MODEL.FPN.IN_FEATURES", ["stage3", "stage4", "stage5"], *options])
    return build_backbone(cfg)


def test_fusion_by_hand():
    fine = torch.tensor([[0.0, 1, 9, 0], [2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, -5]])[None, None]
    middle = torch.tensor([[3.0, 1], [-1, -2]])[None, None]
    coarse = torch.tensor([[2.0]])[None, None]
    pyramid = [fine, middle, coarse]
    # the largest of the four finer pixels, the pixel itself, and the coarser one
    assert fuse(pyramid, 1).tolist() == [[[[3, 9], [2, 2]]]]
    assert fuse(pyramid, 2).tolist() == [[[[3]]]]
    assert fuse(pyramid, 0).tolist() == [[[[3, 3, 9, 1], [3, 3, 1, 1], [0, 0, 0, 0], [0, 0, 0, -2]]]]


def test_channels_compete_with_their_like_only():
    pyramid = [torch.tensor([5.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2), torch.zeros(1, 2, 1, 1)]
    assert fuse(pyramid, 1).flatten().tolist() == [5.0, 0.0]


@pytest.mark.parametrize("depthwise", [True, False])
def test_levels_and_parameters_are_fpns(depthwise):
    efm = build("MODEL.FPN.DEPTHWISE", depthwise).eval()
    fpn = build("MODEL.FPN.DEPTHWISE", depthwise, name="build_fpn_backbone")
    assert isinstance(efm, EFM) and efm.output_shape() == fpn.output_shape()
    shapes = {name: tensor.shape for name, tensor in fpn.state_dict().items()}
    assert {name: tensor.shape for name, tensor in efm.state_dict().items()} == shapes
    with torch.no_grad():
        outputs = efm(torch.zeros(1, 3, 128, 64))
    assert {name: tuple(x.shape) for name, x in outputs.items()} == {
        name: (1, 16, h, w) for name, h, w in
        [("p3", 16, 8), ("p4", 8, 4), ("p5", 4, 2), ("p6", 2, 1), ("p7", 1, 1)]
    }  # fmt: skip


def test_a_level_depends_on_itself_and_its_neighbours():
    torch.manual_seed(0)
    efm = build("MODEL.FPN.NORM", "", "MODEL.FPN.TOP_BLOCK", "").eval()
    reached = {}
    for level in ("p3", "p4", "p5"):
        efm.zero_grad()
        efm(torch.randn(1, 3, 64, 64))[level].square().sum().backward()
        laterals = (efm.fpn_lateral3, efm.fpn_lateral4, efm.fpn_lateral5)
        reached[level] = [conv.weight.grad is not None and bool(conv.weight.grad.any()) for conv in laterals]
    assert reached == {"p3": [True, True, False], "p4": [True, True, True], "p5": [False, True, True]}


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    efm = build("MODEL.FPN.DEPTHWISE", True, "MODEL.FPN.NORM", "GN", "MODEL.BOTTOM_UP.NORM", "GN")
    sum(x.square().mean() for x in efm(torch.randn(2, 3, 128, 128)).values()).backward()
    for name, parameter in efm.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_the_top_block_can_read_a_stage_or_be_left_out():
    assert build("MODEL.FPN.TOP_BLOCK_IN", "stage5").top_block.p6.in_channels == 512
    with torch.no_grad():
        assert list(build("MODEL.FPN.TOP_BLOCK", "")(torch.zeros(1, 3, 64, 64))) == ["p3", "p4", "p5"]


def test_maxout_leaves_no_choice_of_fusion():
    with pytest.raises(ValueError, match="FUSE_TYPE 'avg': EFM fuses by maximum"):
        build("MODEL.FPN.FUSE_TYPE", "avg")
    with pytest.raises(ValueError, match="MODEL.BOTTOM_UP.NAME: no bottom-up named 'build_efm_backbone'"):
        build("MODEL.BOTTOM_UP.NAME", "build_efm_backbone")
