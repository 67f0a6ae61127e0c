import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d
from torch import nn

from dense_det.backbones.staged import StagedBackbone
from dense_det.blocks.osa import OSABlock
from dense_det.blocks.stem import ConvStem
from dense_det.layers.conv import LayerOptions

PARTS = ["stem", "stage2", "stage3", "stage4", "stage5"]


def make(out_features=("stage3", "stage5"), freeze_at=0, norm="BN"):
    options = LayerOptions(norm=norm)
    stem = ConvStem(3, (4, 4, 4), depthwise=False, options=options)
    stages, width = [], 4
    for k in range(4):
        stride = 1 if k == 0 else 2
        stages.append([OSABlock(width, 8 + k, mid_channels=4, num_convs=1, stride=stride, options=options)])
        width = 8 + k
    return StagedBackbone(stem, stages, out_features, freeze_at)


def test_outputs_have_the_strides_and_widths_that_are_promised():
    backbone = make()
    outputs = backbone(torch.zeros(1, 3, 64, 96))
    assert {name: tuple(x.shape) for name, x in outputs.items()} == {"stage3": (1, 9, 8, 12), "stage5": (1, 11, 2, 3)}
    shapes = backbone.output_shape()
    assert {name: (shape.channels, shape.stride) for name, shape in shapes.items()} == {
        "stage3": (9, 8),
        "stage5": (11, 32),
    }
    assert backbone.size_divisibility == 32


def test_stages_above_the_last_output_are_not_kept():
    backbone = make(out_features=("stage2", "stage3"))
    assert backbone.stage_names == ["stage2", "stage3"] and not hasattr(backbone, "stage4")


@pytest.mark.parametrize("freeze_at", range(6))
def test_exactly_the_requested_parts_are_frozen(freeze_at):
    backbone = make(freeze_at=freeze_at)
    for i, name in enumerate(PARTS):
        part = getattr(backbone, name)
        frozen = i < freeze_at
        assert all(p.requires_grad is not frozen for p in part.parameters())
        norms = {type(m) for m in part.modules() if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))}
        assert norms == {FrozenBatchNorm2d if frozen else nn.BatchNorm2d}


def test_a_frozen_part_does_not_change_in_training_and_the_rest_does():
    torch.manual_seed(0)
    backbone = make(freeze_at=3, norm="SyncBN").train()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
    sum(y.square().sum() for y in backbone(torch.randn(2, 3, 64, 64)).values()).backward()
    optimizer.step()
    changed = {name.split(".")[0] for name, x in backbone.state_dict().items() if not torch.equal(x, before[name])}
    assert changed == {"stage4", "stage5"}


@pytest.mark.parametrize("freeze_at", [-1, 6])
def test_freeze_at_is_checked(freeze_at):
    with pytest.raises(ValueError, match=f"got {freeze_at}"):
        make(freeze_at=freeze_at)


def test_an_unknown_output_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="'res3'.*Known: stage2, stage3, stage4, stage5"):
        make(out_features=("res3",))
