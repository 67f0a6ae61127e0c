import pytest
import torch
import yaml
from detectron2.modeling import build_model

from dense_det.config import load_cfg
from dense_det.config_conversion import convert_config

BASE_RCNN = """
MODEL:
  META_ARCHITECTURE: "GeneralizedRCNN"
  BACKBONE: {NAME: "build_vovnet_fpn_backbone", FREEZE_AT: 0}
  VOVNET: {OUT_FEATURES: ["stage2", "stage3", "stage4", "stage5"]}
  FPN: {IN_FEATURES: ["stage2", "stage3", "stage4", "stage5"]}
  ANCHOR_GENERATOR: {SIZES: [[32], [64], [128], [256], [512]], ASPECT_RATIOS: [[0.5, 1.0, 2.0]]}
  RPN: {IN_FEATURES: ["p2", "p3", "p4", "p5", "p6"]}
  ROI_HEADS: {NAME: "StandardROIHeads", IN_FEATURES: ["p2", "p3", "p4", "p5"]}
  ROI_BOX_HEAD: {NAME: "FastRCNNConvFCHead", NUM_FC: 2, POOLER_RESOLUTION: 7}
INPUT:
  MIN_SIZE_TRAIN: (640, 672, 704, 736, 768, 800)
"""
FASTER = """
_BASE_: "base.yaml"
MODEL:
  WEIGHTS: "https://www.example.org/vovnet39_ese_detectron2.pth?dl=1"
  MASK_ON: False
  VOVNET:
    CONV_BODY : "V-39-eSE"
SOLVER:
  STEPS: (210000, 250000)
OUTPUT_DIR: "checkpoints/V39"
"""
CENTERMASK = """
MODEL:
  META_ARCHITECTURE: "GeneralizedRCNN"
  BACKBONE: {NAME: "build_fcos_vovnet_fpn_backbone", FREEZE_AT: 0}
  VOVNET:
    CONV_BODY: "V-39-eSE"
    OUT_FEATURES: ["stage3", "stage4", "stage5"]
    STAGE_WITH_DCN: (False, True, True, True)
    WITH_MODULATED_DCN: True
    DEFORMABLE_GROUPS: 1
  FPN: {IN_FEATURES: ["stage3", "stage4", "stage5"], OUT_CHANNELS: 128}
  PROPOSAL_GENERATOR: {NAME: "FCOS"}
  FCOS: {POST_NMS_TOPK_TEST: 50, NUM_CLS_CONVS: 2, NUM_BOX_CONVS: 2, TOP_LEVELS: 2}
  MASK_ON: True
  MASKIOU_ON: True
  ROI_HEADS: {NAME: "CenterROIHeads", IN_FEATURES: ["p3", "p4", "p5"]}
  ROI_MASK_HEAD:
    NAME: "SpatialAttentionMaskHead"
    ASSIGN_CRITERION: "ratio"
    NUM_CONV: 2
    CONV_DIM: 128
    POOLER_RESOLUTION: 14
  ROI_MASKIOU_HEAD: {NAME: "MaskIoUHead", NUM_CONV: 2, CONV_DIM: 128}
INPUT: {MIN_SIZE_TEST: 600}
"""
MOBILENET = """
_BASE_: base.yaml
MODEL:
  BACKBONE: {NAME: "build_mobilenetv2_fpn_backbone"}
  RESNETS: {OUT_FEATURES: ["res2", "res3", "res4", "res5"]}
  FPN: {IN_FEATURES: ["res2", "res3", "res4", "res5"]}
"""


@pytest.fixture
def convert(tmp_path):
    """Text of a config on top of BASE_RCNN's -> (Conversion, our cfg of what it gives)."""

    def run(text: str):
        (tmp_path / "base.yaml").write_text(BASE_RCNN)
        (tmp_path / "theirs.yaml").write_text(text)
        conversion = convert_config(tmp_path / "theirs.yaml")
        (tmp_path / "ours.yaml").write_text(yaml.safe_dump(conversion.tree))
        return conversion, load_cfg(tmp_path / "ours.yaml", ["MODEL.DEVICE", "meta"])

    return run


def num_parameters(cfg) -> int:
    for node in (cfg.MODEL.ROI_HEADS, cfg.MODEL.RETINANET, cfg.MODEL.FCOS):
        node.NUM_CLASSES = 80
    with torch.device("meta"):
        return sum(p.numel() for p in build_model(cfg).parameters())


def test_faster_rcnn_is_the_authors_network(convert):
    conversion, cfg = convert(FASTER)
    assert num_parameters(cfg) == 43_081_056  # theirs, with frozen norms
    assert cfg.MODEL.BOTTOM_UP.VARIANT == "V-39-eSE" and cfg.MODEL.BOTTOM_UP.NORM == "FrozenBN"
    assert (cfg.MODEL.BACKBONE.NAME, cfg.MODEL.FPN.TOP_BLOCK) == ("build_fpn_backbone", "LastLevelMaxPool")
    assert cfg.INPUT.FORMAT == "BGR" and cfg.MODEL.PIXEL_STD == [1.0, 1.0, 1.0]
    assert cfg.INPUT.RANDOM_FLIP == "horizontal"
    assert tuple(cfg.SOLVER.STEPS) == (210000, 250000) and cfg.INPUT.MIN_SIZE_TRAIN[-1] == 800
    assert cfg.OUTPUT_DIR == "checkpoints/V39"


def test_what_happened_to_faster_rcnns_keys(convert):
    conversion, cfg = convert(FASTER)
    assert conversion.renamed == {
        "MODEL.BACKBONE.NAME build_vovnet_fpn_backbone": "build_fpn_backbone",
        "MODEL.VOVNET.CONV_BODY": "MODEL.BOTTOM_UP.VARIANT",
    }
    assert list(conversion.dropped) == ["MODEL.VOVNET.OUT_FEATURES"]
    assert cfg.MODEL.WEIGHTS == ""
    (remark,) = conversion.remarks
    assert "https://www.example.org/vovnet39_ese_detectron2.pth?dl=1" in remark
    assert conversion.to_text().splitlines()[2].startswith("dropped: MODEL.VOVNET.OUT_FEATURES: ")


def test_centermask_is_the_authors_network(convert):
    conversion, cfg = convert(CENTERMASK)
    assert cfg.MODEL.META_ARCHITECTURE == "DenseDetCenterMask" and cfg.MODEL.MASK_ON and cfg.MODEL.MASKIOU_ON
    assert (cfg.MODEL.FPN.TOP_BLOCK, cfg.MODEL.FPN.TOP_BLOCK_IN) == ("LastLevelP6P7", "p5")
    assert list(cfg.MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE) == [False, True, True, True]
    assert (cfg.MODEL.FCOS.POST_NMS_TOPK_TEST, cfg.MODEL.FCOS.NUM_CLS_CONVS) == (50, 2)
    assert cfg.MODEL.ROI_MASK_HEAD.ASSIGN_CRITERION == "ratio" and cfg.INPUT.MIN_SIZE_TEST == 600
    assert conversion.renamed == {
        "MODEL.META_ARCHITECTURE GeneralizedRCNN": "DenseDetCenterMask",
        "MODEL.BACKBONE.NAME build_fcos_vovnet_fpn_backbone": "build_fpn_backbone",
        "MODEL.VOVNET.CONV_BODY": "MODEL.BOTTOM_UP.VARIANT",
        "MODEL.VOVNET.STAGE_WITH_DCN": "MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE",
        "MODEL.PROPOSAL_GENERATOR.NAME FCOS": "DenseDetFCOS",
        "MODEL.ROI_HEADS.NAME CenterROIHeads": "DenseDetCenterROIHeads",
        "MODEL.ROI_MASK_HEAD.NAME SpatialAttentionMaskHead": "DenseDetSpatialAttentionMaskHead",
    }
    assert {key.removeprefix("MODEL.") for key in conversion.dropped} == {
        "VOVNET.OUT_FEATURES",
        "VOVNET.WITH_MODULATED_DCN",
        "VOVNET.DEFORMABLE_GROUPS",
        "FCOS.TOP_LEVELS",
        "ROI_MASKIOU_HEAD.NAME",
    }
    plain = ["MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE", [False] * 4]
    cfg.merge_from_list(plain)
    assert num_parameters(cfg) == 35_108_940  # CenterMask2-Lite V39


def test_fcos_alone_learns_from_boxes(convert):
    conversion, cfg = convert(
        """
MODEL:
  META_ARCHITECTURE: OneStageDetector
  BACKBONE: {NAME: build_fcos_vovnet_fpn_backbone, FREEZE_AT: 0}
  FPN: {IN_FEATURES: [stage3, stage4, stage5]}
  PROPOSAL_GENERATOR: {NAME: FCOS}
  FCOS: {BOX_QUALITY: iou, FPN_STRIDES: [8, 16, 32, 64, 128]}
"""
    )
    assert cfg.MODEL.META_ARCHITECTURE == "DenseDetCenterMask" and not cfg.MODEL.MASK_ON
    assert cfg.MODEL.FCOS.BOX_QUALITY == "iou" and list(conversion.dropped) == ["MODEL.FCOS.FPN_STRIDES"]
    assert num_parameters(cfg) == 33_625_370


def test_mobilenet_becomes_a_row_of_the_block_net(convert):
    conversion, cfg = convert(MOBILENET)
    assert (cfg.MODEL.BOTTOM_UP.NAME, cfg.MODEL.BOTTOM_UP.VARIANT) == ("build_blocknet_backbone", "MobileNetV2")
    assert cfg.MODEL.FPN.IN_FEATURES == ["stage2", "stage3", "stage4", "stage5"]
    assert num_parameters(cfg) > 10_000_000


def test_detectron2s_own_retinanet_becomes_ours(convert):
    conversion, cfg = convert("MODEL: {META_ARCHITECTURE: RetinaNet, RESNETS: {DEPTH: 18}}")
    assert cfg.MODEL.META_ARCHITECTURE == "DenseDetRetinaNet" and cfg.MODEL.RESNETS.DEPTH == 18
    assert conversion.renamed == {"MODEL.META_ARCHITECTURE RetinaNet": "DenseDetRetinaNet"}


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("{STAGE_WITH_DCN: [False, False, False, True]}", "become modulated ones"),
        ("{CONV_BODY: V-57-eSE}", None),
    ],
)
def test_unmodulated_convolutions_are_told(convert, text, remark):
    conversion, _ = convert(f"_BASE_: base.yaml\nMODEL:\n  VOVNET: {text}")
    assert [remark in given for given in conversion.remarks] == ([True] if remark else [])


def test_frozen_stages_are_told_as_theirs_froze_every_norm(convert):
    conversion, _ = convert("_BASE_: base.yaml\nMODEL: {BACKBONE: {FREEZE_AT: 2}}")
    assert "FREEZE_AT" in conversion.remarks[0]


def test_unknown_keys_are_dropped_by_name(convert):
    conversion, _ = convert("MODEL: {VOVNET2: {X: 1}}\nSOMETHING: 3")
    assert conversion.dropped == dict.fromkeys(["MODEL.VOVNET2.X", "SOMETHING"], "there is no such key here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SOLVER: {MAX_ITER: many}", "MAX_ITER"),
        ("A: !!python/object/apply:os.getcwd []", "not a safe YAML"),
        ("_BASE_: theirs.yaml", "leads back"),
    ],
)
def test_what_is_refused(convert, text, message):
    with pytest.raises(ValueError, match=message):
        convert(text)
