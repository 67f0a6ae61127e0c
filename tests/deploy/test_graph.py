"""The graph of tensors finds what Detectron2's inference finds, to the last bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from torch import nn

from dense_det.config import load_cfg
from dense_det.deploy.graph import best, cell_centres, clipped, deploy_graph, divide, of_class
from dense_det.deploy.parity import found_by
from dense_det.suppression import finish


def test_best_by_hand():
    scores = torch.tensor([[0.1, 0.9], [0.7, 0.2], [0.3, 0.8]])
    values, rows, classes = best(scores, 3)
    assert values.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert rows.tolist() == [0, 2, 1] and classes.tolist() == [1, 1, 0]
    assert len(best(scores, 100)[0]) == 6


@pytest.mark.parametrize("by", [1, 3, 7])
def test_divide_by_hand(by):
    quotients, remainders = divide(torch.tensor([0, 1, 3, 20, 21]), by)
    assert quotients.tolist() == [n // by for n in (0, 1, 3, 20, 21)]
    assert remainders.tolist() == [n % by for n in (0, 1, 3, 20, 21)]


def test_cell_centres_by_hand():
    assert cell_centres(torch.tensor([5, 0, 3, 2]), 3, 8, 0.5).tolist() == [[20, 12], [4, 4], [4, 12], [20, 4]]


def test_clipped_by_hand():
    boxes = torch.tensor([[-3.0, -2, 40, 50], [5, 6, 7, 8]])
    assert clipped(boxes, (20, 30)).tolist() == [[0, 0, 30, 20], [5, 6, 7, 8]]


@pytest.mark.parametrize("size", [(96, 128), (97, 131), (33, 200), (7, 5)])
@torch.no_grad()
def test_equal_to_detectron2(detector, noise, size):
    pixels = noise(*size)
    found = [x.numpy() for x in deploy_graph(detector)(torch.from_numpy(pixels)[None])]
    expected = found_by(detector, pixels)
    boxes = found[0]
    assert len(boxes) or size == (7, 5)
    for place, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        # torch's sigmoid of one number differs in the last bit by its place in the tensor; masks are computed together
        # with those of boxes outside of the image, or without them
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=0 if place < 3 else 1e-6)
    assert (boxes >= 0).all() and (boxes <= [size[1], size[0], size[1], size[0]]).all()


@pytest.mark.parametrize("size", [(96, 128), (33, 200), (7, 5)])
@torch.no_grad()
def test_candidates_suppressed_outside(detector, noise, size):
    image = torch.from_numpy(noise(*size))[None]
    inside, outside = deploy_graph(detector), deploy_graph(detector, suppress=False)
    candidates = [x.numpy() for x in outside(image)]
    expected = [x.numpy() for x in inside(image)]
    assert outside.gives_candidates and not inside.gives_candidates
    assert size == (7, 5) or len(candidates[0]) > len(expected[0]) > 0
    assert (np.diff(candidates[1]) <= 0).all()
    found = finish(candidates, size, outside.nms_iou, outside.most)
    for place, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, atol=0 if place < 3 else 1e-5)


@torch.no_grad()
def test_channels_as_the_model_wants_them(make_detector, noise):
    model = make_detector("retinanet", order="BGR")
    pixels = noise(64, 64)
    scores = deploy_graph(model)(torch.from_numpy(pixels)[None])[1].numpy()
    np.testing.assert_allclose(scores, found_by(model, pixels)[1], rtol=1e-6)


@pytest.mark.parametrize(
    "opts", [["MODEL.FCOS.CLIP_BOXES", True, "MODEL.FCOS.THRESH_WITH_CTR", True], ["MODEL.FCOS.USE_RELU", False]]
)
@torch.no_grad()
def test_options_of_fcos(make_detector, noise, opts):
    model = make_detector("fcos", opts=opts)
    pixels = noise(96, 128)
    for ours, theirs in zip(deploy_graph(model)(torch.from_numpy(pixels)[None]), found_by(model, pixels), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6)


@pytest.mark.parametrize(
    "opts",
    [
        ["MODEL.MASKIOU_ON", False, "MODEL.ROI_MASK_HEAD.ASSIGN_CRITERION", "area"],
        ["MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK", True, "MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO", 2],
        ["MODEL.ROI_MASK_HEAD.NAME", "MaskRCNNConvUpsampleHead"],
    ],
)
@torch.no_grad()
def test_options_of_masks(make_detector, noise, opts):
    model = make_detector("centermask", opts=opts)
    pixels = noise(96, 128)
    found, expected = deploy_graph(model)(torch.from_numpy(pixels)[None]), found_by(model, pixels)
    assert len(found[4]) > 10 and found[4].shape[1:] == (28, 28) and found[4].std() > 0.01
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(ours.numpy() - theirs).max() < 1e-6


def test_where_no_box_is_found_one_mask_is_drawn_and_dropped(make_detector, noise, monkeypatch):
    """OpenVINO stops at a pooling of nothing: where no box is found, the mask of one is drawn, and dropped."""
    model = make_detector("centermask")
    pool, drawn = model.roi_heads.mask_pooler.pool_one_image, []
    monkeypatch.setattr(
        model.roi_heads.mask_pooler,
        "pool_one_image",
        lambda f, boxes, size: drawn.append(len(boxes)) or pool(f, boxes, size),
    )
    graph = deploy_graph(model)
    with torch.no_grad():
        found = [graph(torch.from_numpy(noise(*size)[None])) for size in ((7, 5), (96, 128))]
    assert [len(x) for x in found[0]] == [0] * 5 and found[0][4].shape == (0, 28, 28)
    assert drawn == [1, len(found[1][0]) + 1] and drawn[1] > 10 and len(found[1][4]) == len(found[1][3]) == drawn[1] - 1


def test_of_class_by_hand():
    values = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert of_class(values, torch.tensor([2, 0])).tolist() == [3, 4]
    assert of_class(values[:, :1], torch.tensor([2, 0])).tolist() == [1, 4]


def test_what_cannot_be_exported(make_detector):
    model = make_detector("centermask")
    model.roi_heads.mask_head = nn.Identity()
    with pytest.raises(ValueError, match="mask head Identity cannot be exported: .*MODEL.MASK_ON False exports"):
        deploy_graph(model)
    del model.roi_heads.mask_pooler
    with pytest.raises(ValueError, match="DenseDetCenterROIHeads cannot be exported"):
        deploy_graph(model)
    with pytest.raises(ValueError, match="Identity cannot be exported"):
        deploy_graph(nn.Identity())
    with pytest.raises(ValueError, match="cls_tower.0.*deformable .*USE_DEFORMABLE False"):
        deploy_graph(make_detector("fcos", opts=["MODEL.FCOS.USE_DEFORMABLE", True]))


@pytest.mark.parametrize("name", ["panoptic_centermask_vovnet", "panoptic_vovnet", "mask_rcnn_vovnet"])
def test_what_is_no_dense_detector_cannot_be_exported(name):
    config = Path(__file__).parents[2] / "configs" / f"{name}.yaml"
    with torch.device("meta"):
        model = build_model(load_cfg(config, ["MODEL.DEVICE", "meta"]))
    with pytest.raises(ValueError, match=f"^{type(model).__name__} cannot be exported: RetinaNet, FCOS and CenterMask"):
        deploy_graph(model)


@pytest.mark.parametrize(
    ("kind", "key"), [("retinanet", "TEST.DETECTIONS_PER_IMAGE"), ("fcos", "MODEL.FCOS.POST_NMS_TOPK_TEST")]
)
@pytest.mark.parametrize("most", [-1, 0])
def test_no_limit_is_a_number_of_boxes_from_one(make_detector, kind, key, most):
    with pytest.raises(ValueError, match=rf"at most {most} boxes .* from 1, as by --opts .*{key} 100"):
        deploy_graph(make_detector(kind, opts=(key, most)))
