import pytest
import torch
import torchvision
from detectron2.modeling import build_model

from dense_det.backbones import blocknet, cspnet, densenet, peleenet, vovnet
from dense_det.config import load_cfg
from dense_det.weights.convert import convert, find_bottom_up, find_source, stripped

BODY = {"stem.stem_1/conv.weight": (64, 3, 3, 3), "stage5.OSA5_1.ese.fc.bias": (1024,)}


def zeros(shapes: dict) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def detector(config: str, *opts) -> dict[str, torch.Tensor]:
    """The state dict of a config's detector, without memory."""
    with torch.device("meta"):
        return build_model(load_cfg(f"configs/{config}.yaml", ["MODEL.DEVICE", "meta", *opts])).state_dict()


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


def test_prefixes_come_off_one_by_one():
    name = "module.model.backbone.bottom_up.stem.x"
    assert list(stripped(name)) == [
        "module.model.backbone.bottom_up.stem.x",
        "model.backbone.bottom_up.stem.x",
        "backbone.bottom_up.stem.x",
        "bottom_up.stem.x",
        "stem.x",
    ]


@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "model.", "backbone.bottom_up.", "bottom_up.", "backbone.", "img_backbone.", "features."]
    + ["module.backbone.bottom_up.", "model.img_backbone."],
)
def test_any_prefix_into_a_bottom_up_and_into_a_detector(prefix, options):
    state = zeros({prefix + name: shape for name, shape in BODY.items()})
    with torch.device("meta"):
        network = vovnet.make_vovnet(vovnet.VARIANTS["V-39-eSE"], **options())
    weights, report = convert(state, network.state_dict())
    assert list(weights) == ["stem.conv1.weight", "stage5.0.attention.fc.bias"]
    assert report.part == "" and not report.unused
    weights, report = convert(state, detector("retina_vovnet"))
    assert list(weights) == [f"backbone.bottom_up.{n}" for n in ("stem.conv1.weight", "stage5.0.attention.fc.bias")]
    assert report.part == "backbone.bottom_up." and "head.cls_score.weight" in report.absent
    assert report.missing and all(name.startswith(report.part) for name in report.missing)


def test_the_authors_detector_fills_ours():
    shapes = {f"backbone.bottom_up.{name}": shape for name, shape in BODY.items()}
    shapes |= {"backbone.fpn_lateral2.weight": (256, 256, 1, 1), "roi_heads.box_head.fc1.weight": (1024, 12544)}
    shapes |= {"proposal_generator.rpn_head.conv.bias": (256,), "roi_heads.box_predictor.cls_score.bias": (81,)}
    state = zeros(shapes)
    weights, report = convert(state, detector("faster_rcnn_vovnet", "MODEL.ROI_HEADS.NUM_CLASSES", 80))
    assert len(weights) == len(state) and report.part == "" and not report.unused and not report.absent


def test_the_heads_of_centermask_are_named_as_unused():
    state = zeros({f"backbone.bottom_up.{name}": shape for name, shape in BODY.items()})
    state |= zeros({"proposal_generator.fcos_head.ctrness.bias": (1,), "roi_heads.maskiou_head.maskiou.bias": (80,)})
    _, report = convert(state, detector("retina_vovnet"))
    assert report.unused == {
        "no such tensor in the network": [
            "proposal_generator.fcos_head.ctrness.bias",
            "roi_heads.maskiou_head.maskiou.bias",
        ]
    }
    assert not report.is_clean


def test_our_detector_fills_a_bottom_up_and_back(options):
    with torch.device("meta"):
        ours = vovnet.make_vovnet(vovnet.VARIANTS["V-39-eSE"], **options()).state_dict()
    whole = detector("retina_vovnet")
    weights, report = convert(whole, ours)
    assert set(weights) == set(ours) and not report.missing
    weights, report = convert(ours, whole)
    assert set(weights) == {f"backbone.bottom_up.{name}" for name in ours}
    assert report.part == "backbone.bottom_up." and not report.missing and report.absent


def test_plain_weights_start_a_deformable_network():
    state = zeros({"stage5.OSA5_1.layers.0.OSA5_1_0/conv.weight": (224, 768, 3, 3)})
    state |= zeros({"stage5.OSA5_1.layers.1.OSA5_1_1/conv_offset.weight": (27, 224, 3, 3)})
    targets = detector("retina_vovnet", "MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE", [False, False, False, True])
    _, report = convert(state, targets)
    assert report.loaded == [f"backbone.bottom_up.stage5.0.convs.{n}" for n in ("0.conv.weight", "1.offset.weight")]


def test_another_shape_is_named_with_both():
    state = zeros({"backbone.bottom_up.stem.stem_1/conv.weight": (64, 1, 3, 3)})
    _, report = convert(state, detector("retina_vovnet"))
    target = "backbone.bottom_up.stem.conv1.weight"
    name = "backbone.bottom_up.stem.stem_1/conv.weight"
    assert report.reshaped == {target: f"{name} (64, 1, 3, 3) in the file, (64, 3, 3, 3) here"}
    assert report.lacking[0] == target and target not in report.missing and report.loaded == []


def test_statistics_that_a_group_norm_does_not_keep_are_told():
    state = zeros({"stem.stem_1/norm.weight": (64,), "stem.stem_1/norm.running_var": (64,)})
    _, report = convert(state, detector("retina_vovnet", "MODEL.BOTTOM_UP.NORM", "GN"))
    assert [reason for reason, names in report.unused.items() if names == ["stem.stem_1/norm.running_var"]] == [
        "statistics of a batch norm, but the network's norm keeps none, so its features differ"
    ]


def test_two_tensors_for_one_place_are_not_both_taken():
    state = zeros({"stem.conv1.weight": (64, 3, 3, 3), "backbone.stem.conv1.weight": (64, 3, 3, 3)})
    _, report = convert(state, zeros({"stem.conv1.weight": (64, 3, 3, 3)}))
    assert report.unused == {"stem.conv1.weight is given by stem.conv1.weight, too": ["backbone.stem.conv1.weight"]}


def test_counters_and_constants_are_not_missed():
    targets = zeros({"stem.conv1.weight": (1,), "stem.conv1.norm.num_batches_tracked": (), "positives_per_image": ()})
    weights, report = convert(zeros({"stem.conv1.weight": (1,), "pixel_mean": (3, 1, 1)}), targets)
    assert list(weights) == ["stem.conv1.weight"] and report.is_clean and report.wanted == 1
    assert "positives_per_image" in convert(targets, targets)[0]


@pytest.mark.parametrize(
    ("make", "spec"),
    [
        (vovnet.make_vovnet, vovnet.VARIANTS["V-19-slim-dw-eSE"]),
        (densenet.make_densenet, densenet.VARIANTS["DenseNet-121"]),
        (cspnet.make_cspnet, cspnet.VARIANTS["CSPDarknet-53"]),
        (peleenet.make_peleenet, peleenet.VARIANTS["PeleeNet"]),
        (blocknet.make_blocknet, blocknet.VARIANTS["ResNet-18"]),
        (blocknet.make_blocknet, blocknet.VARIANTS["MobileNetV2"]),
    ],
)
def test_our_own_names_are_of_no_source(make, spec, options):
    with torch.device("meta"):
        assert find_source(make(spec, **options()).state_dict()) is None


def test_of_two_sources_with_the_same_names_the_one_that_fits_is_chosen():
    names = list(torchvision.models.resnet18().state_dict())
    assert find_source(names, ["stem.conv1.weight", "res2.0.conv1.weight"]).name.endswith("Detectron2's")
    assert "18" in find_source(names, ["stem.conv1.weight", "stage2.0.conv1.weight"]).name


def test_where_the_bottom_up_is():
    assert find_bottom_up(["backbone.bottom_up.stem.conv1.weight", "head.x"]) == "backbone.bottom_up."
    assert find_bottom_up(["stem.conv1.weight"]) == ""
    assert find_bottom_up(["weight"]) == ""
