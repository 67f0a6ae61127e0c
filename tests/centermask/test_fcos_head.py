import math

import pytest
import torch
from torch import nn

from dense_det.centermask.fcos_head import FCOSHead


def make(**options) -> FCOSHead:
    return FCOSHead(in_channels=8, num_levels=2, num_classes=3, **{"num_cls_convs": 1, "num_box_convs": 2} | options)


LEVELS = [torch.randn(2, 8, 5, 6), torch.randn(2, 8, 3, 3)]


def test_shapes_names_and_parameters_by_hand():
    head = make()
    logits, distances, qualities = head(LEVELS)
    assert [tuple(x.shape) for x in logits] == [(2, 3, 5, 6), (2, 3, 3, 3)]
    assert [tuple(x.shape) for x in distances] == [(2, 4, 5, 6), (2, 4, 3, 3)]
    assert [tuple(x.shape) for x in qualities] == [(2, 1, 5, 6), (2, 1, 3, 3)]
    tower = 8 * 8 * 9 + 8 + 16  # convolution with bias, group norm
    outputs = (3 + 4 + 1) * (8 * 9 + 1)
    assert sum(p.numel() for p in head.parameters()) == 3 * tower + outputs + 2
    assert {"cls_tower.0.weight", "bbox_tower.4.weight", "scales.1.scale", "ctrness.bias"} <= set(head.state_dict())


def test_every_class_starts_at_the_prior():
    head = make(prior_prob=0.02)
    assert torch.allclose(head.cls_logits.bias.sigmoid(), torch.full((3,), 0.02))
    assert head.cls_logits.bias[0].item() == pytest.approx(-math.log(49))


def test_distances_are_relu_or_exp_of_the_scaled_output_by_hand():
    for use_relu, expected in ((True, 0.0), (False, math.exp(-6))):
        head = make(use_relu=use_relu)
        nn.init.zeros_(head.bbox_pred.weight)
        nn.init.constant_(head.bbox_pred.bias, -2.0)
        nn.init.constant_(head.scales[1].scale, 3.0)
        assert head(LEVELS)[1][1].unique().tolist() == pytest.approx([expected])
        assert head(LEVELS)[1][0].unique().tolist() == pytest.approx([0.0 if use_relu else math.exp(-2)])


def test_quality_comes_from_the_box_tower():
    head = make()
    _, _, qualities = head(LEVELS)
    nn.init.zeros_(head.cls_tower[0].weight)
    assert torch.equal(head(LEVELS)[2][0], qualities[0])
    nn.init.zeros_(head.bbox_tower[0].weight)
    assert not torch.equal(head(LEVELS)[2][0], qualities[0])


@pytest.mark.parametrize(
    "options",
    [
        {"norm": "BN"},
        {"norm": ""},
        {"norm": "LN"},
        {"deformable": True},
        {"use_scale": False},
        {"num_share_convs": 2, "num_cls_convs": 0, "num_box_convs": 0},
    ],
)
def test_options_train_every_parameter(options):
    head = make(**options).train()
    sum(x.square().sum() for kind in head(LEVELS) for x in kind).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_batch_norms_keep_the_levels_apart():
    head = make(norm="BN").train()
    head([torch.randn(2, 8, 8, 8), 5 + torch.randn(2, 8, 8, 8)])
    first, second = head.cls_tower[1]
    assert not torch.allclose(first.running_mean, second.running_mean)


def test_it_exports_with_free_sizes():
    head = make().eval()
    size = {2: torch.export.Dim("h", min=4, max=64), 3: torch.export.Dim("w", min=4, max=64)}
    other = {2: torch.export.Dim("h2", min=4, max=64), 3: torch.export.Dim("w2", min=4, max=64)}
    levels = [torch.randn(1, 8, 8, 12), torch.randn(1, 8, 6, 5)]
    program = torch.export.export(head, (levels,), dynamic_shapes=([size, other],))
    larger = [torch.randn(1, 8, 16, 20), torch.randn(1, 8, 7, 9)]
    for ours, theirs in zip(program.module()(larger), head(larger), strict=True):
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))
