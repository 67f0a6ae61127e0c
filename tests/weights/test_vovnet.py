"""The authors' networks are given by their names of tensors and computed here from those alone; timm's are timm's."""

import pytest
import timm
import torch
import torch.nn.functional as F

from dense_det.backbones.vovnet import VARIANTS, make_vovnet
from dense_det.weights.convert import OPEN_GATE, TRAINABLE_GATE, convert, find_source
from dense_det.weights.source import CAFFE_BGR, HALF_RGB, IMAGENET_RGB
from dense_det.weights.vovnet import rename_authors


def authors_names(spec) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor in the authors' file of a row."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(prefix: str, width: int) -> None:
        shapes.update({f"{prefix}.{t}": (width,) for t in ("weight", "bias", "running_mean", "running_var")})

    def layer(prefix: str, c_in: int, c_out: int, size: int, depthwise: bool = False) -> None:
        if depthwise:
            shapes[f"{prefix}/dw_conv3x3.weight"] = (c_in, 1, size, size)
            shapes[f"{prefix}/pw_conv1x1.weight"] = (c_out, c_in, 1, 1)
            norm(f"{prefix}/pw_norm", c_out)
        else:
            shapes[f"{prefix}/conv.weight"] = (c_out, c_in, size, size)
            norm(f"{prefix}/norm", c_out)

    width = 3
    for i, c_out in enumerate(spec.stem_widths, start=1):
        layer(f"stem.stem_{i}", width, c_out, 3, spec.depthwise and i > 1)
        width = c_out
    for s, (blocks, mid, out) in enumerate(zip(spec.num_blocks, spec.mid_channels, spec.out_channels), start=2):
        for b in range(1, blocks + 1):
            osa, w = f"stage{s}.OSA{s}_{b}", width
            if spec.depthwise and width != mid:
                layer(f"{osa}.conv_reduction.OSA{s}_{b}_reduction_0", width, mid, 1)
                w = mid
            for i in range(spec.num_convs):
                layer(f"{osa}.layers.{i}.OSA{s}_{b}_{i}", w, mid, 3, spec.depthwise)
                w = mid
            layer(f"{osa}.concat.OSA{s}_{b}_concat", width + spec.num_convs * mid, out, 1)
            if spec.ese == "all":
                shapes |= {f"{osa}.ese.fc.weight": (out, out, 1, 1), f"{osa}.ese.fc.bias": (out,)}
            width = out
    return shapes


def authors_state(spec, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = {}
    for name, shape in authors_names(spec).items():
        if len(shape) == 4:
            state[name] = torch.randn(shape) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        elif name.endswith(("running_var", "norm.weight")):
            state[name] = torch.rand(shape) + 0.5
        else:
            state[name] = torch.randn(shape) * 0.2
    return state


def authors_features(state: dict[str, torch.Tensor], spec):
    """x -> the four stages, computed from the tensors alone, as the paper's figures say."""

    def norm(x, prefix):
        mean, var, weight, bias = (state[f"{prefix}.{t}"] for t in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias).relu()

    def layer(x, prefix, stride=1):
        if f"{prefix}/conv.weight" in state:
            weight = state[f"{prefix}/conv.weight"]
            return norm(F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2), f"{prefix}/norm")
        weight = state[f"{prefix}/dw_conv3x3.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=1, groups=len(weight))
        return norm(F.conv2d(x, state[f"{prefix}/pw_conv1x1.weight"]), f"{prefix}/pw_norm")

    def block(x, s, b):
        osa, outputs = f"stage{s}.OSA{s}_{b}", [x]
        reduction = f"{osa}.conv_reduction.OSA{s}_{b}_reduction_0"
        y = layer(x, reduction) if f"{reduction}/conv.weight" in state else x
        for i in range(spec.num_convs):
            outputs.append(y := layer(y, f"{osa}.layers.{i}.OSA{s}_{b}_{i}"))
        y = layer(torch.cat(outputs, 1), f"{osa}.concat.OSA{s}_{b}_concat")
        if f"{osa}.ese.fc.weight" in state:
            gate = F.conv2d(y.mean((2, 3), keepdim=True), state[f"{osa}.ese.fc.weight"], state[f"{osa}.ese.fc.bias"])
            y = y * F.relu6(gate + 3) / 6
        return y + x if b > 1 else y

    def features(x):
        for i, stride in ((1, 2), (2, 1), (3, 2)):
            x = layer(x, f"stem.stem_{i}", stride)
        stages = []
        for s, blocks in enumerate(spec.num_blocks, start=2):
            x = x if s == 2 else F.max_pool2d(x, 3, 2, ceil_mode=True)
            for b in range(1, blocks + 1):
                x = block(x, s, b)
            stages.append(x)
        return stages

    return features


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("stem.stem_1/conv.weight", "stem.conv1.weight"),
        ("stem.stem_3/pw_norm.running_var", "stem.conv3.pointwise.norm.running_var"),
        ("stage2.OSA2_1.layers.4.OSA2_1_4/conv.weight", "stage2.0.convs.4.weight"),
        ("stage4.OSA4_3.layers.0.OSA4_3_0/dw_conv3x3.weight", "stage4.2.convs.0.depthwise.weight"),
        ("stage4.OSA4_1.layers.1.OSA4_1_1/conv_offset.bias", "stage4.0.convs.1.offset.bias"),
        ("stage3.OSA3_1.conv_reduction.OSA3_1_reduction_0/norm.bias", "stage3.0.reduction.norm.bias"),
        ("stage5.OSA5_2.concat.OSA5_2_concat/conv.weight", "stage5.1.aggregation.weight"),
        ("stage5.OSA5_2.ese.fc.bias", "stage5.1.attention.fc.bias"),
        ("stage5.OSA5_2.se.fc.bias", None),
        ("classifier.weight", None),
    ],
)
def test_the_authors_names(name, ours):
    assert rename_authors(name) == ours


@pytest.mark.parametrize("variant", ["V-19-slim-dw-eSE", "V-39-eSE", "V-27-slim", "V-39"])
def test_the_authors_weights_give_the_authors_features(variant, options, assert_same_features):
    spec = VARIANTS[variant]
    state = authors_state(spec)
    report = assert_same_features(state, authors_features(state, spec), make_vovnet(spec, **options()))
    assert len(report.loaded) == len(state) and not report.opened
    assert report.pixels == (CAFFE_BGR if "eSE" in variant else IMAGENET_RGB)


@pytest.mark.parametrize("variant", ["V-39", "V-57"])
def test_v1_weights_in_a_v2_network_give_v1s_features(variant, options, assert_same_features):
    spec = VARIANTS[variant]
    state = authors_state(spec)
    network = make_vovnet(VARIANTS[f"{variant}-eSE"], **options())
    report = assert_same_features(state, authors_features(state, spec), network)
    assert len(report.opened) == 2 * sum(spec.num_blocks)


def test_an_opened_gate_is_exactly_one_and_a_trainable_one_learns(options):
    state = authors_state(VARIANTS["V-39"])
    gates = {}
    for bias in (OPEN_GATE, TRAINABLE_GATE):
        network = make_vovnet(VARIANTS["V-39-eSE"], **options())
        weights, _ = convert(state, network.state_dict(), bias)
        network.load_state_dict(weights, strict=False)
        gate = network.stage2[0].attention
        x = torch.rand(1, 256, 4, 4)
        (y := gate(x)).sum().backward()
        gates[bias] = (y / x).mean().item(), gate.fc.bias.grad.abs().max().item()
    assert gates[OPEN_GATE] == (1.0, 0.0)
    value, gradient = gates[TRAINABLE_GATE]
    assert value == pytest.approx(0.99833, abs=1e-5) and gradient > 0.1


# timm's weights of 39b, 57b and 99b lack the gates of all but the last block of a stage
TIMM = {
    "ese_vovnet19b_slim_dw": ("V-19-slim-dw-eSE", 0),
    "ese_vovnet19b_dw": ("V-19-dw-eSE", 0),
    "ese_vovnet19b_slim": ("V-19-slim-eSE", 0),
    "ese_vovnet39b": ("V-39-eSE", 2),
    "ese_vovnet57b": ("V-57-eSE", 5),
}


@pytest.mark.parametrize("name", TIMM)
def test_timms_weights_give_timms_features(name, options, randomise, assert_same_features):
    variant, num_opened = TIMM[name]
    reference = randomise(timm.create_model(name))

    def features(x):
        return reference.forward_intermediates(x, intermediates_only=True)[1:]

    report = assert_same_features(reference.state_dict(), features, make_vovnet(VARIANTS[variant], **options()))
    assert len(report.opened) == 2 * num_opened
    assert report.pixels == (HALF_RGB if "57" in name else IMAGENET_RGB)
    assert report.unused == {"a classifier of whole images": ["head.fc.weight", "head.fc.bias"]}


def test_timms_own_row_has_timms_gates(options, randomise, assert_same_features):
    reference = randomise(timm.create_model("ese_vovnet39b"))
    network = make_vovnet(VARIANTS["ese_vovnet39b"], **options())
    report = assert_same_features(
        reference.state_dict(), lambda x: reference.forward_intermediates(x, intermediates_only=True)[1:], network
    )
    # 39 convolutions with four tensors of their norm, and a gate of two in each stage
    assert not report.opened and len(report.loaded) == report.wanted == 39 * 5 + 4 * 2


def test_timms_nets_without_residuals_are_not_taken_for_ours():
    with torch.device("meta"):
        assert find_source(timm.create_model("vovnet39a").state_dict()) is None
