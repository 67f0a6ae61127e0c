from dataclasses import replace

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from torch import nn

from dense_det.analysis.complexity import count_macs
from dense_det.backbones.cspdensenet import FUSIONS, VARIANTS, CSPDenseNetSpec, FusionLastBackbone, make_cspdensenet
from dense_det.checkpoint import load_weights
from dense_det.config import get_cfg
from dense_det.layers.conv import DeformableConv, LayerOptions

STAGES = ("stage2", "stage3", "stage4", "stage5")

# counted on a re-implementation
PARAMETERS = {
    "CSPDenseNet-121-standard": 5_486_123,
    "CSPDenseNet-161-standard": 21_198_881,
    "CSPDenseNet-169-standard": 10_109_275,
    "CSPDenseNet-201-standard": 14_681_083,
    "CSPDenseNet-121-fusion-first": 5_897_216,
    "CSPDenseNet-161-fusion-first": 22_393_344,
    "CSPDenseNet-169-fusion-first": 10_496_000,
    "CSPDenseNet-201-fusion-first": 15_305_728,
    "CSPDenseNet-121-fusion-last": 6_276_504,
    "CSPDenseNet-161-fusion-last": 24_126_320,
    "CSPDenseNet-169-fusion-last": 11_609_720,
    "CSPDenseNet-201-fusion-last": 16_597_496,
}
# parameters with a classifier of 1000, widths, and millions of multiply-adds without it: counted on the article's code,
# where fusion-last got pools between its stages
ARTICLE = {
    "CSPDenseNet-121-standard-article": (5_646_468, [128, 224, 440, 366], 2415.58),
    "CSPDenseNet-121-fusion-first-article": (6_303_812, [224, 440, 878, 731], 2473.98),
    "CSPDenseNet-121-fusion-last-article": (6_239_336, [128, 256, 512, 512], 2447.79),
    "CSPDenseNet-161-standard-article": (21_276_778, [192, 336, 948, 813], None),
    "CSPDenseNet-161-fusion-first-article": (23_010_958, [336, 660, 1893, 1625], None),
    "CSPDenseNet-161-fusion-last-article": (23_262_088, [192, 384, 1056, 1104], None),
    "CSPDenseNet-169-standard-article": (10_414_340, [128, 224, 568, 654], None),
    "CSPDenseNet-169-fusion-first-article": (11_347_492, [224, 440, 1134, 1307], None),
    "CSPDenseNet-169-fusion-last-article": (11_486_184, [128, 256, 640, 832], None),
    "CSPDenseNet-201-standard-article": (14_919_300, [128, 224, 824, 718], None),
    "CSPDenseNet-201-fusion-first-article": (16_172_772, [224, 440, 1646, 1435], None),
    "CSPDenseNet-201-fusion-last-article": (16_292_584, [128, 256, 896, 960], None),
}
WIDTHS = {
    "CSPDenseNet-121-standard": [144, 246, 476, 434],
    "CSPDenseNet-121-fusion-first": [256, 512, 1024, 1024],
    "CSPDenseNet-161-fusion-first": [384, 768, 2112, 2208],
    "CSPDenseNet-121-fusion-last": [144, 300, 609, 712],
}
# two layers a stage: what a test of behaviour needs
TINY = CSPDenseNetSpec((2, 2, 2, 2), growth=8, stem_channels=12)


def make(spec, norm="BN", activation="ReLU", deform=(False, False, False, False), **more):
    spec = VARIANTS[spec] if isinstance(spec, str) else spec
    options = LayerOptions(norm=norm, activation=activation)
    arguments = {
        "stem_options": options,
        "stage_options": [replace(options, conv="deform" if d else "plain") for d in deform],
        "out_features": STAGES,
    }
    return make_cspdensenet(spec, **{**arguments, **more})


def make_meta(spec, **more):
    with torch.device("meta"):
        return make(spec, **more)


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def widths(net):
    return [shape.channels for shape in net.output_shape().values()]


def test_every_row_has_its_numbers():
    quarters = {name for name, spec in VARIANTS.items() if spec.gamma == 0.25}
    assert quarters == {f"{name}-gamma-0.25" for name in PARAMETERS}
    assert set(PARAMETERS) | set(ARTICLE) | quarters == set(VARIANTS)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters(variant):
    net = make_meta(variant)
    assert num_params(net) == PARAMETERS[variant]
    assert widths(net) == WIDTHS.get(variant, widths(net))


@pytest.mark.parametrize("variant", ARTICLE)
def test_the_articles_own_counts(variant):
    parameters, expected_widths, macs = ARTICLE[variant]
    net = make_meta(variant)
    assert widths(net) == expected_widths
    assert num_params(net) + 1000 * (expected_widths[3] + 1) == parameters
    # the article's transitions have their 1x1 before the pool, on four times as many pixels
    saved = sum(width * (width // 2) * size**2 * 3 / 4 for width, size in zip(expected_widths, (56, 28, 14)))
    if isinstance(net, FusionLastBackbone):
        saved = 0
    if macs is not None:
        assert round((count_macs(net, 224) + saved) / 1e6, 2) == macs


@pytest.mark.parametrize("fusion", FUSIONS)
def test_parameters_with_a_quarter_around_by_hand(fusion):
    """Of two layers of growth 8: 12 channels, 3 around, 9 in; each layer a norm, 1x1 to 32, a norm, 3x3 to 8."""

    def layers(width):
        return sum(2 * w + w * 32 + 2 * 32 + 9 * 32 * 8 for w in (width, width + 8))

    total, width = 3 * 49 * 12 + 2 * 12, 12
    for stage in range(4):
        around = width // 4
        dense = width - around + 16
        total += layers(width - around)
        if fusion != "fusion-first":
            total += 2 * dense + dense * (dense // 2)
            dense //= 2
        width = around + dense
        if fusion != "fusion-last" or stage == 3:
            total += 2 * width  # the norm of the output
        if fusion != "fusion-last" and stage < 3:
            total += width * (width // 2)
            width //= 2
    net = make_meta(replace(TINY, fusion=fusion, gamma=0.25))
    assert num_params(net) == total and widths(net)[3] == width


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize(
    ("size", "expected"),
    [(224, [56, 28, 14, 7]), (225, [57, 28, 14, 7]), (230, [58, 29, 14, 7]), (250, [63, 31, 15, 7])],
)
def test_sizes_of_the_stages(fusion, size, expected):
    net = make_meta(replace(TINY, fusion=fusion))
    with torch.device("meta"):
        outputs = net(torch.empty(1, 3, size, size))
    assert [tuple(x.shape[1:]) for x in outputs.values()] == [(w, s, s) for w, s in zip(widths(net), expected)]
    assert [shape.stride for shape in net.output_shape().values()] == [4, 8, 16, 32]
    assert net.size_divisibility == 32


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_parameter_gets_a_gradient(fusion):
    torch.manual_seed(0)
    net = make(f"CSPDenseNet-121-{fusion}")
    outputs = net(torch.randn(2, 3, 64, 64))
    assert all(x.isfinite().all() and x.min() >= 0 for x in outputs.values())
    outputs["stage5"].square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_memory_efficient_net_is_the_same_net(fusion):
    torch.manual_seed(0)
    spec = replace(TINY, fusion=fusion)
    plain, efficient = make(spec), make(spec, memory_efficient=True)
    efficient.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 70, 64)
    for net in (plain, efficient):
        sum(y.square().mean() for y in net(x).values()).backward()
    for one, other in zip(plain.parameters(), efficient.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(plain.buffers(), efficient.buffers(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_outputs_are_normed(fusion):
    """Before the rectifier each channel has mean 0 and variance 1, also where the network goes on with raw values."""
    torch.manual_seed(0)
    net = make(replace(TINY, fusion=fusion))
    normed = {}
    taps = net.taps if fusion == "fusion-last" else {name: getattr(net, name)[-1] for name in STAGES}
    for name, tap in taps.items():
        tap.norm.register_forward_hook(lambda _m, _i, output, name=name: normed.update({name: output.clone()}))
    outputs = net(10 * torch.randn(4, 3, 96, 96))
    for name in STAGES:
        torch.testing.assert_close(outputs[name], normed[name].relu())
        assert normed[name].mean((0, 2, 3)).abs().max() < 1e-4
        assert (normed[name].var((0, 2, 3), correction=0) - 1).abs().max() < 0.05


def test_fusion_last_goes_on_with_raw_values_and_its_norms_have_no_weights():
    torch.manual_seed(0)
    net = make(replace(TINY, fusion="fusion-last"))
    seen = []
    net.stage3[0].register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    stage2 = net(torch.randn(2, 3, 64, 64))["stage2"]
    assert seen[0].min() < 0 and stage2.min() == 0
    assert [num_params(net.taps[name]) for name in STAGES] == [0, 0, 0, 2 * widths(net)[3]]


@pytest.mark.parametrize("norm", ["SyncBN", "GN", "LN", "FrozenBN", ""])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_other_norms_and_activations(fusion, norm):
    torch.manual_seed(0)
    net = make(replace(TINY, fusion=fusion), norm=norm, activation="SiLU", deform=(False, True, False, False))
    assert [any(isinstance(m, DeformableConv) for m in getattr(net, s).modules()) for s in STAGES] == [0, 1, 0, 0]
    outputs = net(torch.randn(1, 3, 64, 64))
    sum(y.square().mean() for y in outputs.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_freezing_includes_the_output_of_a_stage(fusion):
    torch.manual_seed(0)
    net = make(replace(TINY, fusion=fusion), freeze_at=3).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    sum(y.square().mean() for y in net(torch.randn(2, 3, 64, 64)).values()).backward()
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.replace("taps.", "").split(".")[0] for name in changed} == {"stage4", "stage5"}
    parts = [net.stage2, net.stage3] + ([net.taps["stage2"], net.taps["stage3"]] if fusion == "fusion-last" else [])
    norms = [m for part in parts for m in part.modules() if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))]
    assert norms and all(isinstance(m, FrozenBatchNorm2d) for m in norms)


@pytest.mark.parametrize("frozen", [{"freeze_at": 2}, {"norm": "FrozenBN"}])
def test_fusion_last_is_frozen_with_the_weights_of_one_that_is_not(frozen, tmp_path):
    spec = replace(TINY, fusion="fusion-last")
    trained = make(spec)
    trained.taps["stage2"].norm.running_mean.fill_(2.0)
    torch.save({"model": trained.state_dict()}, tmp_path / "model.pth")
    net = make(spec, **frozen)
    report = load_weights(net, tmp_path / "model.pth")
    assert report.is_clean and net.taps["stage2"].norm.running_mean.tolist() == [2.0] * widths(net)[0]
    x = torch.randn(1, 3, 64, 64)
    for expected, found in zip(trained.eval()(x).values(), net.eval()(x).values(), strict=True):
        torch.testing.assert_close(found, expected)


def test_fusion_last_takes_what_earlier_versions_saved_frozen(tmp_path):
    """With weights of 1 and biases of 0 of norms that have none."""
    net = make(replace(TINY, fusion="fusion-last"), freeze_at=2)
    width = widths(net)[0]
    ones_and_zeros = {"taps.stage2.norm.weight": torch.ones(width), "taps.stage2.norm.bias": torch.zeros(width)}
    state = {**net.state_dict(), **ones_and_zeros}
    net.load_state_dict(state)  # as a run resumes, strictly
    torch.save({"model": state}, tmp_path / "model.pth")
    assert load_weights(net, tmp_path / "model.pth").lacking == []


def test_stages_that_nobody_reads_are_not_kept():
    net = make_meta("CSPDenseNet-121-fusion-last", out_features=("stage3", "stage4"))
    assert list(net.taps) == ["stage3", "stage4"] and not hasattr(net, "stage5")


@pytest.mark.parametrize("field", [{"fusion": "fusion-frist"}, {"bookkeeping": "seed"}])
def test_unknown_choices(field):
    with pytest.raises(ValueError, match="Known: "):
        replace(TINY, **field)


def test_builder_reads_variant_memory_and_input_channels():
    cfg = get_cfg()
    variant = "CSPDenseNet-121-fusion-last"
    cfg.merge_from_list(["MODEL.BOTTOM_UP.VARIANT", variant, "MODEL.BOTTOM_UP.MEMORY_EFFICIENT", True])
    cfg.merge_from_list(["MODEL.BACKBONE.FREEZE_AT", 0])
    with torch.device("meta"):
        net = BACKBONE_REGISTRY.get("build_cspdensenet_backbone")(cfg, ShapeSpec(channels=1))
    assert num_params(net) == PARAMETERS[variant] - 2 * 64 * 49
    assert net.stage3[1].transition.recompute and net.stage3[1].dense.layers[2].first.recompute
