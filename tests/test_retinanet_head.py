import math

import pytest
import torch
from detectron2.layers import CycleBatchNormList, ShapeSpec
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from torch import nn

from dense_det.config import get_cfg
from dense_det.layers.norm import LevelBatchNorm, SyncBatchNorm
from dense_det.retinanet_head import LightRetinaNetHead, build_retinanet_head

LEVELS = [ShapeSpec(channels=16, stride=stride) for stride in (16, 32, 64, 128)]


def build(*opts):
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.RETINANET.NUM_CLASSES", 3, "MODEL.RETINANET.NUM_CONVS", 3])
    cfg.merge_from_list(["MODEL.ANCHOR_GENERATOR.SIZES", [[32.0, 45.3]], *opts])
    return build_retinanet_head(cfg, LEVELS)


LIGHT = ["MODEL.RETINANET.HEAD.KERNEL_SIZE", 1, "MODEL.RETINANET.HEAD.WIDTH", 24]


def features():
    return [torch.randn(2, 16, size, size) for size in (8, 4, 2, 1)]


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_of_the_light_head_by_hand():
    convs = (16 * 24 + 24) + 2 * (24 * 24 + 24)
    assert num_params(build(*LIGHT)) == 2 * convs + (24 * 18 + 18) + (24 * 24 + 24)  # 6 anchors
    assert num_params(build(*LIGHT, "MODEL.RETINANET.NORM", "GN")) == num_params(build(*LIGHT)) + 2 * 3 * 2 * 24


def test_the_width_of_detectron2s_head():
    head = build("MODEL.RETINANET.HEAD.WIDTH", 24)
    assert type(head) is RetinaNetHead
    assert [conv.weight.shape for conv in head.cls_subnet if isinstance(conv, nn.Conv2d)] == [
        (24, 16, 3, 3), (24, 24, 3, 3), (24, 24, 3, 3)
    ]  # fmt: skip
    assert build().cls_score.in_channels == 16  # the pyramid's by default
    assert build(*LIGHT[:2]).cls_score.in_channels == 16


def test_the_light_head_answers_as_detectron2s_does():
    light, full = build(*LIGHT), build("MODEL.RETINANET.HEAD.WIDTH", 24)
    assert list(light.state_dict()) == list(full.state_dict())
    with torch.no_grad():
        for ours, theirs in zip(light(features()), full(features()), strict=True):
            assert [x.shape for x in ours] == [x.shape for x in theirs]


def test_a_location_sees_itself_alone():
    torch.manual_seed(0)
    head = build(*LIGHT)
    x = torch.randn(1, 16, 4, 4, requires_grad=True)
    logits, deltas = head([x])
    (logits[0][0, :, 1, 2].sum() + deltas[0][0, :, 1, 2].sum()).backward()
    assert x.grad.abs().sum((0, 1)).nonzero().tolist() == [[1, 2]]


def test_scores_begin_at_the_prior():
    light = build(*LIGHT, "MODEL.RETINANET.PRIOR_PROB", 0.2)
    assert light.cls_score.bias.tolist() == pytest.approx([-math.log(4)] * 18)
    assert not light.bbox_pred.bias.any()
    light.cls_score.weight.data.zero_()
    assert light(features())[0][0].sigmoid().flatten().tolist() == pytest.approx([0.2] * (2 * 18 * 64))


def test_the_signal_does_not_fade_without_norms():
    torch.manual_seed(0)
    head = build("MODEL.RETINANET.HEAD.KERNEL_SIZE", 1, "MODEL.RETINANET.HEAD.WIDTH", 256)
    y = head.cls_subnet(torch.randn(2, 16, 8, 8))
    assert 0.3 < y.square().mean() < 3


@pytest.mark.parametrize(("norm", "kind"), [("BN", LevelBatchNorm), ("SyncBN", SyncBatchNorm)])
@pytest.mark.parametrize("head", [LIGHT, []])
def test_batch_norms_keep_statistics_of_each_level(head, norm, kind):
    lists = [m for m in build(*head, "MODEL.RETINANET.NORM", norm).modules() if isinstance(m, CycleBatchNormList)]
    assert len(lists) == 6  # three convolutions in each of two subnets
    assert all(len(levels) == 4 and type(levels[0]) is kind for levels in lists)


@pytest.mark.parametrize("norm", ["BN", "SyncBN", "GN", "LN", ""])
def test_every_parameter_gets_a_gradient(norm):
    torch.manual_seed(0)
    head = build(*LIGHT, "MODEL.RETINANET.NORM", norm)
    logits, deltas = head(features())
    sum(x.square().mean() for x in [*logits, *deltas]).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in head.parameters())


def test_type_of_the_light_head():
    assert type(build(*LIGHT)) is LightRetinaNetHead


@pytest.mark.parametrize(
    ("opts", "message"),
    [
        (["MODEL.RETINANET.HEAD.KERNEL_SIZE", 5], r"KERNEL_SIZE is one of \[1, 3\], got 5"),
        (["MODEL.RETINANET.HEAD.WIDTH", -1], "WIDTH is a number of channels, or 0: the pyramid's; got -1"),
        ([*LIGHT, "MODEL.RETINANET.NORM", "SynchBN"], "did you mean 'SyncBN'"),
    ],
)
def test_what_is_refused(opts, message):
    with pytest.raises(ValueError, match=message):
        build(*opts)
