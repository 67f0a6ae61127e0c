import copy

import pytest
import torch
from detectron2.layers import CycleBatchNormList, FrozenBatchNorm2d
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dense_det.layers.norm import (
    ACTIVATIONS,
    NORMS,
    ChannelLayerNorm,
    GroupNorm,
    LevelBatchNorms,
    SyncBatchNorm,
    UnscaledFrozenBatchNorm,
    get_activation,
    get_norm,
    norm_factory,
    num_groups,
)


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (7, 7), (37, 1), (64, 32), (80, 20), (112, 28), (366, 6), (1024, 32)]
)
def test_groups_by_hand(channels, groups):
    assert num_groups(channels) == groups


@given(st.integers(1, 2048))
def test_group_norm_fits_any_width(channels):
    groups = num_groups(channels)
    assert channels % groups == 0 and 1 <= groups <= 32
    assert not any(channels % larger == 0 for larger in range(groups + 1, 33))
    assert get_norm("GN", channels).num_channels == channels


@pytest.mark.parametrize(
    ("name", "kind"),
    [("BN", nn.BatchNorm2d), ("SyncBN", SyncBatchNorm), ("FrozenBN", FrozenBatchNorm2d), ("GN", GroupNorm)],
)
def test_norm_by_name(name, kind):
    assert type(get_norm(name, 6)) is kind
    assert type(norm_factory(name)(6)) is kind


def test_group_norm_of_a_single_value_is_its_bias():
    norm = get_norm("GN", 3)  # three groups of one channel
    torch.nn.init.constant_(norm.bias, 0.5)
    result = norm(torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1))
    assert result.flatten().tolist() == pytest.approx([0.5] * 3, abs=1e-4)


def test_no_norm():
    assert get_norm("", 6) is None
    assert norm_factory("") == ""


def test_layer_norm_is_over_the_channels_of_a_pixel():
    x = torch.tensor([[1.0, 10.0], [3.0, 10.0]]).reshape(1, 2, 1, 2)  # two channels, two pixels
    expected = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).reshape(1, 2, 1, 2)
    assert torch.allclose(get_norm("LN", 2)(x), expected, atol=1e-4)
    assert isinstance(get_norm("LN", 2), ChannelLayerNorm)


@pytest.mark.parametrize("name", list(NORMS))
def test_every_norm_keeps_the_shape_and_frozen_bn_has_no_parameters(name):
    norm = get_norm(name, 12)
    x = torch.randn(2, 12, 5, 3)
    assert norm(x).shape == x.shape
    assert sum(p.numel() for p in norm.parameters()) == (0 if name == "FrozenBN" else 24)


def test_a_misspelt_norm_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no norm named 'SynchBN'; did you mean 'SyncBN'"):
        get_norm("SynchBN", 8)


def test_activations_at_minus_one():
    values = {"ReLU": 0.0, "ReLU6": 0.0, "LeakyReLU": -0.01, "SiLU": -0.2689, "Hardswish": -1 / 3, "GELU": -0.1587}
    assert set(values) == set(ACTIVATIONS)
    for name, value in values.items():
        assert get_activation(name)(torch.tensor(-1.0)).item() == pytest.approx(value, abs=1e-4)
    with pytest.raises(ValueError, match="did you mean 'ReLU'"):
        get_activation("Relu")


def test_relu6_is_cut_at_six():
    assert get_activation("ReLU6")(torch.tensor([5.0, 7.0])).tolist() == [5.0, 6.0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_not_in_place_an_activation_leaves_its_input(name):
    x = torch.tensor([-1.0, 1.0])
    get_activation(name, inplace=False)(x)
    assert x.tolist() == [-1.0, 1.0]


def test_sync_bn_of_one_process_is_bn():
    sync, plain = SyncBatchNorm(3), nn.BatchNorm2d(3)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(sync(x), plain(x))
    assert torch.equal(sync.running_var, plain.running_var)
    assert torch.equal(sync.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_without_weights_is_what_the_norm_starts_as(name):
    plain, bare = get_norm(name, 6), get_norm(name, 6, affine=False)
    x = torch.randn(2, 6, 5, 4)
    torch.testing.assert_close(bare(x), plain(x))
    assert list(bare.parameters()) == []
    assert torch.equal(FrozenBatchNorm2d.convert_frozen_batchnorm(bare.eval())(x), bare(x))


def test_a_frozen_norm_without_weights_has_its_statistics_alone_in_its_state():
    frozen = get_norm("FrozenBN", 2, affine=False)
    assert list(frozen.state_dict()) == ["running_mean", "running_var"]
    plain = get_norm("BN", 2, affine=False)
    plain.running_mean.copy_(torch.tensor([1.0, -3.0]))
    converted = UnscaledFrozenBatchNorm.convert_frozen_batchnorm(plain)
    assert converted.state_dict().keys() == plain.state_dict().keys()
    converted.load_state_dict(plain.state_dict())
    x = torch.tensor([2.0, 2.0]).reshape(1, 2, 1, 1)
    torch.testing.assert_close(converted(x).flatten(), torch.tensor([1.0, 5.0]), atol=1e-4, rtol=0)
    # Detectron2's, as earlier versions saved it, also holds a weight of 1 and a bias of 0
    earlier = FrozenBatchNorm2d.convert_frozen_batchnorm(plain)
    assert {"weight", "bias"} <= set(earlier.state_dict())
    copy.deepcopy(converted).load_state_dict(earlier.state_dict())


def test_level_batch_norms_may_be_converted():
    levels = LevelBatchNorms(2, 3).eval()
    levels.weight.data.fill_(2.0)
    levels[1].running_mean.fill_(1.0)
    x = torch.randn(2, 3, 4, 4)
    expected = [levels(x), levels(x)]
    for convert in (FrozenBatchNorm2d.convert_frozen_batchnorm, nn.SyncBatchNorm.convert_sync_batchnorm):
        converted = convert(copy.deepcopy(levels)).eval()
        for y in expected:
            torch.testing.assert_close(converted(x), y)


def test_level_batch_norms_are_detectron2s():
    """In training, where each level keeps its own statistics, in evaluation, and in their gradients and state."""
    torch.manual_seed(0)
    ours, theirs = LevelBatchNorms(2, 3), CycleBatchNormList(2, num_features=3)
    for norm in (ours, theirs):
        norm.weight.data.copy_(torch.tensor([1.0, -2.0, 0.5]))
        norm.bias.data.copy_(torch.tensor([0.0, 1.0, 3.0]))
    levels = [torch.randn(2, 3, size, size) * (size + 1) for size in (5, 2)]
    for _ in range(2):
        for x in levels:
            torch.testing.assert_close(ours(x), theirs(x))
    for norm in (ours, theirs):
        sum(norm(x).pow(2).sum() for x in levels).backward()
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    for x in levels:
        torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
