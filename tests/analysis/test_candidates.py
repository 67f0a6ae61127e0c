from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

import dense_det  # noqa: F401  registers
from dense_det.analysis.candidates import NUM_CANDIDATES, give_candidates
from dense_det.config import load_cfg

CONFIGS = Path(__file__).parents[2] / "configs"
RECORD = {"image": torch.randint(0, 256, (3, 128, 128), dtype=torch.uint8), "height": 128, "width": 128}


def model_of(config, *opts):
    torch.manual_seed(0)
    return build_model(load_cfg(CONFIGS / f"{config}.yaml", ["MODEL.DEVICE", "cpu", *opts])).eval()


@pytest.mark.parametrize("num_images", [1, 2])
@pytest.mark.parametrize("config", ["retina_snet", "centermask_idcards"])
def test_so_many_scores_are_above_the_threshold(config, num_images):
    model, seen = model_of(config), []
    assert give_candidates(model, [RECORD] * num_images) == NUM_CANDIDATES
    threshold = getattr(model, "test_score_thresh", None) or model.proposal_generator.test_selection.threshold
    assert not model.head._forward_hooks
    model.head.register_forward_hook(lambda *args: seen.append(torch.cat([x.flatten() for x in args[-1][0]]).sigmoid()))
    with torch.no_grad():
        model([RECORD] * num_images)
    assert (seen[0] >= threshold).sum() == pytest.approx(NUM_CANDIDATES * num_images, rel=0.02)


def test_fcos_as_another_detectors_proposal_generator():
    model = model_of("panoptic_centermask_vovnet", "MODEL.BOTTOM_UP.VARIANT", "V-19-slim-dw-eSE")
    before = model.proposal_generator.test_selection.threshold
    assert give_candidates(model, [RECORD], 50) == 50
    assert model.proposal_generator.test_selection.threshold != before


def test_a_threshold_for_class_score_times_quality():
    model, seen = model_of("centermask_idcards", "MODEL.FCOS.THRESH_WITH_CTR", True), []
    with torch.no_grad():
        model.proposal_generator.fcos_head.ctrness.bias.fill_(-3.0)
    assert give_candidates(model, [RECORD]) == NUM_CANDIDATES
    model.head.register_forward_hook(lambda *args: seen.append(args[-1]))
    with torch.no_grad():
        model([RECORD])
    scores = [logits.sigmoid() * quality.sigmoid() for logits, quality in zip(seen[0][0], seen[0][2], strict=True)]
    threshold = model.proposal_generator.test_selection.threshold
    assert sum((level > threshold).sum().item() for level in scores) == pytest.approx(NUM_CANDIDATES, rel=0.02)


def test_fewer_candidates():
    model = model_of("retina_snet")
    assert give_candidates(model, [RECORD], 20) == 20
    assert 0 < len(model([RECORD])[0]["instances"]) <= 20


def test_scores_that_are_all_one_are_told_apart():
    """As those of Detectron2's RetinaNet-R50 without weights, whose frozen batch norms change nothing."""
    model, seen = model_of("retina_snet"), []
    with torch.no_grad():
        model.head.cls_score.weight *= 1000
    assert give_candidates(model, [RECORD], 100) == 100
    assert give_candidates(model, [RECORD], 100) == 100  # as often as one likes
    model.head.register_forward_hook(lambda *args: seen.append(torch.cat([x.flatten() for x in args[-1][0]]).sigmoid()))
    with torch.no_grad():
        model([RECORD])
    assert (seen[0] > model.test_score_thresh).sum() == pytest.approx(100, rel=0.02)


def test_few_scores_are_all_candidates():
    # 4 x 4 + 2 x 2 + 1 + 1 places of 6 anchors and one class
    model = model_of("retina_snet", "MODEL.RETINANET.NUM_CLASSES", 1)
    assert give_candidates(model, [RECORD | {"image": RECORD["image"][:, :64, :64]}]) == (16 + 4 + 1 + 1) * 6


def test_proposals_are_always_as_many():
    assert give_candidates(model_of("faster_rcnn_vovnet", "MODEL.BOTTOM_UP.VARIANT", "V-19-slim-dw-eSE"), []) is None
