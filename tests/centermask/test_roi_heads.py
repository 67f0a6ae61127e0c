import pytest
import torch
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from dense_det.centermask.mask_targets import mask_areas, mask_iou
from dense_det.centermask.roi_heads import _mean, _of_class

LOSSES = {"loss_mask", "loss_maskiou"}


def features(num_images=2):
    generator = torch.Generator().manual_seed(1)
    sizes = {f"p{k}": (96 // 2**k, 128 // 2**k) for k in (3, 4, 5)}
    # the first image's are the same, whatever the number of images
    return {name: torch.randn(2, 32, *size, generator=generator)[:num_images] for name, size in sizes.items()}


def no_proposals(number=2):
    empty = Instances((96, 128), pred_boxes=Boxes(torch.zeros(0, 4)), scores=torch.zeros(0))
    return [empty] * number


def losses_of(heads, *records):
    with EventStorage():
        return heads.losses(features(len(records)), no_proposals(len(records)), [r["instances"] for r in records])


def test_losses_of_the_ground_truths_own_boxes_by_hand(build, record):
    heads = build().roi_heads
    target = record()["instances"]
    with EventStorage():
        losses = heads.losses(features(1), no_proposals(1), [target])
    assert set(losses) == LOSSES
    # the same from the parts: the objects' boxes are the only proposals
    boxes, classes = target.gt_boxes, target.gt_classes
    pooled = heads._pool(features(1), [boxes], [(96, 128)])
    logits = heads.mask_head.layers(pooled)[torch.arange(2), classes]
    goal = target.gt_masks.crop_and_resize(boxes.tensor, 28)
    p = logits.sigmoid()
    by_hand = -(goal * p.log() + (~goal) * (1 - p).log()).mean()
    assert losses["loss_mask"].item() == pytest.approx(by_hand.item(), rel=1e-4)
    judged = heads.maskiou_head(pooled, p[:, None])[torch.arange(2), classes]
    iou = mask_iou(p > 0.5, goal, boxes.area(), mask_areas(target.gt_masks, boxes))
    assert losses["loss_maskiou"].item() == pytest.approx((0.5 * (judged - iou) ** 2).mean().item(), rel=1e-4)


def test_polygons_and_bitmaps_teach_the_same(build, record):
    heads = build().roi_heads
    polygons, bitmaps = losses_of(heads, record(), record()), losses_of(heads, record(bitmaps=True), record())
    for name in LOSSES:
        assert bitmaps[name].item() == pytest.approx(polygons[name].item(), rel=0.03)


def test_objects_that_have_a_box_alone_teach_no_mask(build, record):
    heads = build().roi_heads
    only_first = losses_of(heads, record(has_mask=[True, False]))
    alone = losses_of(heads, record(boxes=[[8.0, 8.0, 60.0, 70.0]], classes=[0]))
    assert only_first["loss_mask"].item() == pytest.approx(alone["loss_mask"].item(), rel=1e-5)
    # of an image with masks and one without any
    mixed = losses_of(heads, record(), record(has_mask=[False, False]))
    assert mixed["loss_mask"].item() == pytest.approx(losses_of(heads, record())["loss_mask"].item(), rel=1e-5)


@pytest.mark.parametrize("case", ["no objects", "no masks", "no masks at all"])
def test_nothing_to_learn_is_a_loss_of_zero_with_a_gradient(build, record, case):
    heads = build().roi_heads
    nothing = {
        "no objects": record(boxes=[], classes=[]),
        "no masks": record(has_mask=[False, False]),
        "no masks at all": record(boxes=[], classes=[], with_masks=False),
    }[case]
    losses = losses_of(heads, nothing, nothing)
    assert {name: loss.item() for name, loss in losses.items()} == dict.fromkeys(LOSSES, 0.0)
    sum(losses.values()).backward()
    assert all(p.grad is not None and not p.grad.any() for p in heads.parameters())


def test_one_class_and_one_mask_for_all(build, record):
    for keys in (
        {"ROI_HEADS__NUM_CLASSES": 1, "FCOS__NUM_CLASSES": 1},
        {"ROI_MASK_HEAD__CLS_AGNOSTIC_MASK": True},
    ):
        heads = build(**keys).roi_heads
        classes = [0, 0] if "FCOS__NUM_CLASSES" in keys else [0, 2]
        losses = losses_of(heads, record(classes=classes))
        assert all(loss.isfinite() and loss > 0 for loss in losses.values())
        found = Instances((96, 128), pred_boxes=Boxes(torch.tensor([[8.0, 8, 60, 70]])))
        found.scores, found.pred_classes = torch.tensor([0.5]), torch.tensor(classes[1:])
        (result,) = heads.eval().forward_with_given_boxes(features(1), [found])
        assert result.pred_masks.shape == (1, 1, 28, 28) and result.mask_scores.shape == (1,)


def detections(scores=True) -> list[Instances]:
    first = Instances((96, 128), pred_boxes=Boxes(torch.tensor([[8.0, 8, 60, 70], [0.0, 0, 120, 90]])))
    first.pred_classes = torch.tensor([2, 0])
    second = Instances((96, 128), pred_boxes=Boxes(torch.zeros(0, 4)), pred_classes=torch.zeros(0, dtype=torch.long))
    if scores:
        first.scores, second.scores = torch.tensor([0.9, 0.4]), torch.zeros(0)
    return [first, second]


def test_a_mask_score_is_the_box_score_times_the_iou(build):
    heads = build().roi_heads.eval()
    with torch.no_grad():
        first, second = heads.forward_with_given_boxes(features(), detections())
        pooled = heads._pool(features(), [x.pred_boxes for x in detections()], [(96, 128)] * 2)
        quality = heads.maskiou_head(pooled, first.pred_masks)
    assert first.pred_masks.min() >= 0 and first.pred_masks.max() <= 1 and second.pred_masks.shape == (0, 1, 28, 28)
    expected = torch.tensor([0.9 * quality[0, 2], 0.4 * quality[1, 0]])
    assert torch.allclose(first.mask_scores, expected) and len(second.mask_scores) == 0


def test_boxes_without_scores_get_masks_without_scores(build):
    first, _ = build().roi_heads.eval().forward_with_given_boxes(features(), detections(scores=False))
    assert first.has("pred_masks") and not first.has("mask_scores")
    first, _ = build(MASKIOU_ON=False).roi_heads.eval().forward_with_given_boxes(features(), detections())
    assert first.has("pred_masks") and not first.has("mask_scores")


def test_without_masks_boxes_pass(build, record):
    heads = build(MASK_ON=False).roi_heads
    assert not list(heads.parameters())
    given = detections()
    assert heads.eval().forward_with_given_boxes(features(), given) is given
    assert heads.losses(features(), no_proposals(), [record(with_masks=False)["instances"]] * 2) == {}


def test_masks_and_their_scores_export_with_any_number_of_boxes(build):
    heads = build().roi_heads.eval()

    class Masks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mask_head, self.maskiou_head = heads.mask_head, heads.maskiou_head

        def forward(self, pooled, classes):
            masks = _of_class(self.mask_head.layers(pooled), classes).sigmoid()
            return masks, _of_class(self.maskiou_head(pooled, masks[:, None]), classes)

    number = torch.export.Dim("rois", min=2, max=100)
    given = torch.randn(3, 32, 14, 14), torch.tensor([0, 1, 2])
    program = torch.export.export(Masks(), given, dynamic_shapes=({0: number}, {0: number}))
    other = torch.randn(7, 32, 14, 14), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    for ours, theirs in zip(program.module()(*other), Masks()(*other), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_the_mean_of_nothing():
    source = torch.ones(3, requires_grad=True)
    assert _mean(source * 2).item() == 2
    loss = _mean(source[:0], source)
    loss.backward()
    assert loss.item() == 0 and source.grad.tolist() == [0, 0, 0]
