from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from torch import nn

from dense_det.analysis.complexity import costs_of_parts, count_parameters, parameters_of_parts
from dense_det.analysis.cost_rows import part_costs
from dense_det.analysis.network import NUM_ROIS, Network, image_without_data, is_detector, part_of
from dense_det.config import find_config, load_cfg
from dense_det.config_file import read_yaml

ROOT = Path(__file__).parents[2]


def detector(name, *opts):
    path = name if "/" in name else ROOT / "configs" / f"{name}.yaml"
    with torch.device("meta"):
        return build_model(load_cfg(find_config(path), ["MODEL.DEVICE", "meta", *opts]))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("retina_snet", ["bottom_up", "fpn", "head"]),
        ("centermask_idcards", ["bottom_up", "fpn", "head", "masks"]),
        ("panoptic_vovnet", ["bottom_up", "fpn", "head", "semantic", "boxes", "masks"]),
        ("panoptic_centermask_vovnet", ["bottom_up", "fpn", "head", "semantic", "masks"]),
        ("COCO-Detection/faster_rcnn_R_50_C4_3x.yaml", ["bottom_up", "head", "boxes"]),
        ("COCO-Detection/fast_rcnn_R_50_FPN_1x.yaml", ["bottom_up", "fpn", "boxes"]),
        ("COCO-Detection/rpn_R_50_FPN_1x.yaml", ["bottom_up", "fpn", "head"]),
        ("COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x.yaml", ["bottom_up", "fpn", "head", "boxes", "keypoints"]),
        ("Misc/cascade_mask_rcnn_R_50_FPN_3x.yaml", ["bottom_up", "fpn", "head", "boxes", "masks"]),
        ("COCO-InstanceSegmentation/mask_rcnn_R_50_C4_3x.yaml", ["bottom_up", "head", "boxes", "masks"]),
    ],
)
def test_every_part_of_every_kind_of_detector(name, parts):
    model = detector(name)
    assert is_detector(model)
    network = Network(model)
    costs = costs_of_parts(network, image_without_data(model, 64))
    assert list(costs) == list(parameters_of_parts(network)) == parts
    assert all(cost.macs > 0 for cost in costs.values())
    assert sum(parameters_of_parts(network).values()) == count_parameters(model)


def test_one_config_of_every_kind_is_counted():
    paths = [path for path in sorted((ROOT / "configs").rglob("*.yaml")) if "MODEL" in read_yaml(path)]
    kinds = {}
    for path in paths:
        model = load_cfg(path).MODEL
        kinds.setdefault((model.META_ARCHITECTURE, model.PROPOSAL_GENERATOR.NAME, model.ROI_HEADS.NAME), path)
    assert len(kinds) >= 6
    for kind, path in kinds.items():
        costs = part_costs(detector(str(path)), 64)
        assert costs["gmacs_head"] > 0 and costs["traffic_bottom_up"] > 0, kind


def test_boxes_are_those_of_the_proposals():
    # two layers of 1024 on 256 x 7 x 7 numbers, 81 scores and 320 distances
    macs = 256 * 49 * 1024 + 1024 * 1024 + 1024 * (81 + 320)
    for proposals in (1000, 30):
        model = detector("faster_rcnn_vovnet", "MODEL.RPN.POST_NMS_TOPK_TEST", proposals)
        assert costs_of_parts(Network(model), image_without_data(model, 64))["boxes"].macs == proposals * macs


def test_keypoints_are_those_of_fifty_boxes():
    model = detector("COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x.yaml")
    # eight 3x3 convolutions of 512 on 14 x 14, then a transposed 4x4 to 17 keypoints
    macs = 196 * (9 * 256 * 512 + 7 * 9 * 512 * 512 + 16 * 512 * 17)
    assert costs_of_parts(Network(model), image_without_data(model, 64))["keypoints"].macs == NUM_ROIS * macs


@pytest.mark.parametrize("training", [False, True])
def test_in_training_as_many_regions_as_are_sampled(training):
    model = detector("mask_rcnn_vovnet", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 20)
    outputs = Network(model).train(training)(image_without_data(model, 64))
    counts = len(outputs["boxes"][0]), len(outputs["masks"])
    assert counts == ((20, 5) if training else (1000, NUM_ROIS))  # a quarter of them may lie on objects


def test_a_plain_network_is_no_detector():
    assert not is_detector(nn.Conv2d(3, 1, 1))
    assert image_without_data(nn.Conv2d(3, 1, 1), (5, 7), 2).shape == (2, 3, 5, 7)


def test_an_image_is_padded_as_the_detector_pads_it():
    assert image_without_data(detector("retina_snet"), (33, 64)).shape == (1, 3, 64, 64)


def test_parts_by_name():
    names = ["backbone.bottom_up.stem.conv1", "backbone.fpn_lateral3", "head.cls_score", "masks"]
    assert [part_of(name) for name in names] == ["bottom_up", "fpn", "head", "masks"]
