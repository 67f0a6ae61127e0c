import math

import pytest
import torch
from detectron2.structures import Boxes, ImageList, Instances

from dense_det.centermask import fcos as module
from dense_det.data.targets import ImageTargets


def outputs(model, seed=0):
    """What a head might say of a batch of two 96 x 128 images."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(96 // s, 128 // s) for s in model.strides]
    return tuple(
        [torch.rand(2, channels, h or 1, w or 1, generator=generator) * scale + low for h, w in sizes]
        for channels, scale, low in ((3, 4, -4), (4, 3, 0.01), (1, 4, -2))
    )


def targets(boxes, classes):
    instances = Instances((96, 128))
    instances.gt_boxes, instances.gt_classes = Boxes(torch.tensor(boxes).reshape(-1, 4)), torch.tensor(classes)
    return instances


BATCH = [targets([[8.0, 8, 60, 70], [50.0, 20, 120, 90]], [0, 2]), targets([], [])]


def slow_losses(fcos, outputs, batch, quality):
    """FCOS's losses location by location, as REFERENCE and the paper have them."""
    assigned = fcos._targets(fcos._locations(outputs), batch)
    flat = [torch.cat([x[n].flatten(1).T for n in range(2) for x in kind]) for kind in outputs]
    logits, distances, qualities = (x.double() for x in flat)
    focal = box_sum = quality_sum = goal_sum = 0.0
    num_positive = 0
    for r, label in enumerate(assigned.labels.tolist()):
        for k in range(3):
            p = 1 / (1 + math.exp(-logits[r, k]))
            right, alpha = (p, 0.25) if label == k else (1 - p, 0.75)
            focal += -alpha * (1 - right) ** 2 * math.log(right)
        if label == 3:
            continue
        num_positive += 1
        unit = assigned.strides[r].item() if fcos.fcos_head.use_relu else 1
        t, p = [x / unit for x in assigned.ltrb[r].tolist()], distances[r].tolist()
        inter = (min(t[0], p[0]) + min(t[2], p[2])) * (min(t[1], p[1]) + min(t[3], p[3]))
        hull = (max(t[0], p[0]) + max(t[2], p[2])) * (max(t[1], p[1]) + max(t[3], p[3]))
        union = (t[0] + t[2]) * (t[1] + t[3]) + (p[0] + p[2]) * (p[1] + p[3]) - inter
        iou = (inter + 1) / (union + 1)
        loss = 1 - (iou - (hull - union) / hull)
        central = math.sqrt(min(t[0], t[2]) / max(t[0], t[2]) * min(t[1], t[3]) / max(t[1], t[3]))
        goal = central if quality == "ctrness" else iou
        box_sum += loss * (central if quality == "ctrness" else 1)
        goal_sum += central
        q = 1 / (1 + math.exp(-qualities[r, 0]))
        quality_sum += -goal * math.log(q) - (1 - goal) * math.log(1 - q)
    return {
        "loss_fcos_cls": focal / num_positive,
        "loss_fcos_loc": box_sum / (goal_sum if quality == "ctrness" else num_positive),
        "loss_fcos_ctr": quality_sum / num_positive,
    }


@pytest.mark.parametrize("keys", [{}, {"FCOS__USE_RELU": False}, {"FCOS__BOX_QUALITY": "iou"}])
def test_losses_against_loops(build, keys):
    fcos = build(MASK_ON=False, **keys).proposal_generator.eval()
    given = outputs(fcos)
    losses = fcos.losses(given, BATCH)
    expected = slow_losses(fcos, given, BATCH, fcos.quality)
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("quality", ["ctrness", "iou"])
def test_the_weight_of_an_object_multiplies_the_losses_of_its_locations(build, quality):
    fcos = build(MASK_ON=False, FCOS__BOX_QUALITY=quality).proposal_generator.eval()
    given = outputs(fcos)

    def losses(*weights):
        objects = targets([[8.0, 8, 60, 70], [50.0, 20, 120, 90]], [0, 2])
        objects.gt_weights = torch.tensor(weights)
        return {name: loss.item() for name, loss in fcos.losses(given, [objects, BATCH[1]]).items()}

    plain = {name: loss.item() for name, loss in fcos.losses(given, BATCH).items()}
    first, second, none = losses(1.0, 0.0), losses(0.0, 1.0), losses(0.0, 0.0)
    assert losses(1.0, 1.0) == plain
    assert none["loss_fcos_loc"] == none["loss_fcos_ctr"] == 0 and none["loss_fcos_cls"] > 0
    mixed = {k: none[k] + 0.25 * (first[k] - none[k]) + 0.5 * (second[k] - none[k]) for k in plain}
    assert losses(0.25, 0.5) == pytest.approx(mixed, rel=1e-4)


def test_a_batch_without_objects_teaches_background_alone(build):
    fcos = build(MASK_ON=False).proposal_generator
    given = tuple([x.requires_grad_() for x in kind] for kind in outputs(fcos))
    losses = fcos.losses(given, [BATCH[1], BATCH[1]])
    assert losses["loss_fcos_cls"] > 0 and losses["loss_fcos_loc"] == 0 and losses["loss_fcos_ctr"] == 0
    sum(losses.values()).backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for kind in given for x in kind)


def test_on_an_ignore_region_nothing_is_learnt(build):
    fcos = build().proposal_generator
    said = outputs(fcos)
    objects, _ = BATCH
    nothing = {"gt_boxes": Boxes(torch.zeros(0, 4)), "gt_classes": torch.zeros(0, dtype=torch.int64)}
    everywhere = ImageTargets((96, 128), Boxes(torch.tensor([[-1.0, -1, 999, 999]])), **nothing)
    losses, alone = fcos.losses(said, [objects, everywhere]), fcos.losses(said, [everywhere, everywhere])
    assert alone["loss_fcos_cls"] == 0
    first = tuple([level[:1] for level in kind] for kind in said)
    assert losses["loss_fcos_cls"].item() == pytest.approx(fcos.losses(first, [objects])["loss_fcos_cls"].item())


def test_divisors_are_those_of_all_processes(build, monkeypatch):
    fcos = build(MASK_ON=False).proposal_generator.train()
    monkeypatch.setattr(module.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(module.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(module.dist, "all_reduce", lambda total: total.add_(30))  # what the other one has
    assert fcos._share_of_total(torch.tensor(10.0), least=1).item() == 20
    monkeypatch.setattr(module.dist, "all_reduce", lambda total: total)
    assert fcos._share_of_total(torch.tensor(0.0), least=1).item() == 0.5
    # validation: processes need not keep step
    assert fcos.eval()._share_of_total(torch.tensor(10.0), least=1).item() == 10


@pytest.mark.parametrize("use_relu", [True, False])
def test_predictions_are_in_pixels(build, use_relu):
    fcos = build(MASK_ON=False, FCOS__USE_RELU=use_relu).proposal_generator.eval()
    given = [[torch.full_like(x, fill) for x in kind] for kind, fill in zip(outputs(fcos), (-9, 2, 0))]
    given[0][1][1, 2, 3, 4] = 5.0  # class 2 at column 4, row 3 of stride 16, in the second image
    first, second = fcos.predict(given, [(96, 128)] * 2, fcos.test_selection)
    assert len(first) == 0 and second.pred_classes.tolist() == [2]
    reach = 32 if use_relu else 2
    x, y = 4 * 16 + 8, 3 * 16 + 8
    assert second.pred_boxes.tensor.tolist() == [[x - reach, y - reach, x + reach, y + reach]]
    assert second.scores.item() == pytest.approx(math.sqrt(0.5 / (1 + math.exp(-5))))


def test_without_a_limit_all_boxes_are_given_and_none_is_no_limit(build):
    fcos = build(MASK_ON=False, FCOS__POST_NMS_TOPK_TEST=-1, FCOS__POST_NMS_TOPK_TRAIN=0).proposal_generator.eval()
    given = [[torch.full_like(x, fill) for x in kind] for kind, fill in zip(outputs(fcos), (-9, 0.1, 0))]
    for x, y in ((2, 3), (4, 5), (9, 1)):  # boxes apart
        given[0][0][0, 1, y, x] = 5.0
    first, second = fcos.predict(given, [(96, 128)] * 2, fcos.test_selection)
    assert (len(first), len(second)) == (3, 0)
    with pytest.raises(ValueError, match="POST_NMS_TOPK_TRAIN.* got 0"):
        fcos.predict(given, [(96, 128)] * 2, fcos.train_selection)


def test_proposals_only_where_a_head_waits_for_them(build):
    images = ImageList(torch.zeros(2, 3, 96, 128), [(96, 128)] * 2)
    for mask_on in (True, False):
        fcos = build(MASK_ON=mask_on, FCOS__INFERENCE_TH_TRAIN=0.0).proposal_generator.train()
        features = {f: torch.randn(2, 32, 96 // s or 1, 128 // s) for f, s in zip(fcos.in_features, fcos.strides)}
        found, losses = fcos(images, features, BATCH)
        assert all(len(x) > 0 for x in found) if mask_on else all(len(x) == 0 for x in found)
        assert set(losses) == {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr"}
        assert fcos.eval()(images, features)[1] == {}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"FCOS__BOX_QUALITY": "centerness"}, "BOX_QUALITY.*ctrness"),
        ({"FCOS__LOC_LOSS_TYPE": "gio"}, "LOC_LOSS_TYPE.*giou"),
        ({"FCOS__IN_FEATURES": ["p3", "p8"]}, "FCOS.IN_FEATURES.*p3"),
        ({"FCOS__SIZES_OF_INTEREST": [64]}, "4 rising bounds between 5 levels"),
        ({"FCOS__NORM": "BNN"}, "norm"),
        ({"FCOS__IN_FEATURES": ["p7", "p6", "p5", "p4", "p3"]}, "FCOS.IN_FEATURES: levels, finest first.*128, 64"),
        ({"FCOS__IN_FEATURES": ["p3", "p3", "p4", "p5", "p6"]}, "FCOS.IN_FEATURES: levels, finest first"),
        ({"FCOS__IN_FEATURES": []}, "FCOS.IN_FEATURES: levels, finest first"),
        ({"ROI_HEADS__IN_FEATURES": ["res4"]}, "ROI_HEADS.IN_FEATURES"),
        ({"ROI_HEADS__IN_FEATURES": ["p3", "p5"]}, "ROI_HEADS.IN_FEATURES: consecutive levels"),
        ({"ROI_HEADS__IN_FEATURES": ["p5", "p4", "p3"]}, "ROI_HEADS.IN_FEATURES: consecutive levels"),
        ({"ROI_MASK_HEAD__ASSIGN_CRITERION": "ratios"}, "ASSIGN_CRITERION.*ratio"),
    ],
)
def test_what_a_person_typed_is_answered(build, keys, message):
    with pytest.raises(ValueError, match=message):
        build(**keys)
