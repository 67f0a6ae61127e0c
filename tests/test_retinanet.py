import copy

import pytest
import torch
from detectron2.layers import CycleBatchNormList
from detectron2.modeling import build_model
from detectron2.modeling.meta_arch.retinanet import RetinaNet
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

import dense_det  # noqa: F401  registers
from dense_det.config import get_cfg
from dense_det.data.targets import ImageTargets
from dense_det.layers.norm import LevelBatchNorm, SyncBatchNorm

# bottom-up, FPN, head and all: COCO's 80 classes, 9 anchors, FrozenBN (not counted), head of 4 convs, P6 from stage5
PARAMETERS = {
    "V-19-slim-dw-eSE": (11_678_276, 4_759_620),
    "V-19-slim-eSE": (12_947_108, 6_028_452),
    "V-19-dw-eSE": (17_280_628, 9_624_692),
    "V-19-eSE": (21_944_244, 14_288_308),
    "V-39-eSE": (36_937_396, 29_281_460),
    "V-57-eSE": (53_196_980, 45_541_044),
    "V-99-eSE": (81_243_060, 73_587_124),
}
NORMS = ("BN", "SyncBN", "FrozenBN", "GN", "LN", "")


def make_cfg(*options, bottom_up="GN", fpn="", head=""):
    cfg = get_cfg()
    cfg.merge_from_list(
        ["MODEL.DEVICE", "cpu", "MODEL.META_ARCHITECTURE", "DenseDetRetinaNet", "MODEL.BACKBONE.NAME"]
        + ["build_fpn_backbone", "MODEL.BACKBONE.FREEZE_AT", 0, "MODEL.BOTTOM_UP.VARIANT", "V-19-slim-dw-eSE"]
        + ["MODEL.FPN.IN_FEATURES", ["stage3", "stage4", "stage5"], "MODEL.FPN.TOP_BLOCK_IN", "stage5"]
        + ["MODEL.ANCHOR_GENERATOR.SIZES", [[16.0], [32.0], [64.0], [128.0], [256.0]]]
        + ["MODEL.FPN.OUT_CHANNELS", 40, "MODEL.RETINANET.NUM_CONVS", 1, "MODEL.RETINANET.NUM_CLASSES", 3]
        + ["MODEL.BOTTOM_UP.NORM", bottom_up, "MODEL.FPN.NORM", fpn, "MODEL.RETINANET.NORM", head]
    )
    cfg.merge_from_list(list(options))
    return cfg


def make(*options, **norms):
    torch.manual_seed(0)
    return build_model(make_cfg(*options, **norms)).train()


def make_batch(num_images=2, seed=0, size=64):
    generator = torch.Generator().manual_seed(seed)
    batch = []
    for _ in range(num_images):
        instances = Instances((size, size))
        instances.gt_boxes = Boxes(torch.tensor([[4.0, 4.0, 36.0, 40.0], [20.0, 30.0, 60.0, 58.0]]))
        instances.gt_classes = torch.tensor([0, 2])
        batch.append({"image": torch.rand(3, size, size, generator=generator) * 255, "instances": instances})
    return batch


def step(model, batch, lr=1e-3):
    """One SGD step; the losses before it."""
    with EventStorage():
        losses = model(batch)
    model.zero_grad()
    sum(losses.values()).backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= lr * p.grad
    return {name: loss.detach() for name, loss in losses.items()}


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters_of_the_detectors(variant):
    for channels, expected in zip((256, 128), PARAMETERS[variant]):
        cfg = make_cfg("MODEL.BOTTOM_UP.VARIANT", variant, "MODEL.FPN.OUT_CHANNELS", channels, bottom_up="FrozenBN")
        cfg.merge_from_list(["MODEL.DEVICE", "meta", "MODEL.RETINANET.NUM_CONVS", 4, "MODEL.RETINANET.NUM_CLASSES", 80])
        cfg.merge_from_list(["MODEL.ANCHOR_GENERATOR.SIZES", [[32.0, 40.3, 50.8]]])
        with torch.device("meta"):
            model = build_model(cfg)
        assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize("place", ["bottom_up", "fpn", "head"])
@pytest.mark.parametrize("norm", NORMS)
def test_each_norm_in_each_place_takes_a_finite_step(norm, place):
    model = make(**{place: norm})
    for parameter in model.parameters():
        assert parameter.requires_grad
    first = step(model, make_batch(), lr=1e-5)
    second = step(model, make_batch(), lr=1e-5)
    for losses in (first, second):
        assert all(loss.isfinite() for loss in losses.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert first["loss_cls"] != second["loss_cls"]


@pytest.mark.parametrize(("norm", "kind"), [("BN", LevelBatchNorm), ("SyncBN", SyncBatchNorm)])
def test_batch_norm_of_the_head_keeps_statistics_of_each_level(norm, kind):
    model = make(head=norm)
    lists = [m for m in model.head.modules() if isinstance(m, CycleBatchNormList)]
    assert len(lists) == 2  # one convolution in each of two subnets
    assert all(len(levels) == 5 and type(levels[0]) is kind for levels in lists)


def test_group_norm_of_the_head_fits_any_width():
    model = make(head="GN", fpn="GN")
    assert model.head.cls_subnet[1].num_groups == 20  # of 40 channels
    with pytest.raises(ValueError, match="did you mean 'SyncBN'"):
        make(head="SynchBN")


def test_an_unknown_level_is_named():
    with pytest.raises(ValueError, match="MODEL.RETINANET.IN_FEATURES: the backbone has no output 'p2'"):
        make("MODEL.RETINANET.IN_FEATURES", ["p2", "p3", "p4", "p5", "p6"])


def count_positives(model, batch):
    """Anchors that match a box, counted apart from the losses."""
    levels = [torch.zeros(1, 1, -(-64 // stride), -(-64 // stride)) for stride in (8, 16, 32, 64, 128)]
    labels, _ = model.label_anchors(model.anchor_generator(levels), [x["instances"] for x in batch])
    return sum(int(((x >= 0) & (x < 3)).sum()) for x in labels)


def test_normaliser_by_hand():
    model, batch = make(), make_batch(2)
    positives = count_positives(model, batch)
    assert positives > 0
    step(model, batch)
    # Detectron2's average starts at 100 anchors a batch
    assert model.positives_per_image.item() == pytest.approx((0.9 * 100 + 0.1 * positives) / 2, rel=1e-6)
    step(model, batch)
    assert model.positives_per_image.item() == pytest.approx((0.81 * 100 + 0.19 * positives) / 2, rel=1e-6)


def test_losses_are_detectron2s():
    ours = make()
    theirs = build_model(make_cfg("MODEL.META_ARCHITECTURE", "RetinaNet")).train()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    for seed in range(3):
        expected, actual = step(theirs, make_batch(seed=seed)), step(ours, make_batch(seed=seed))
        for name in expected:
            assert torch.allclose(actual[name], expected[name], rtol=1e-5)


def test_images_without_boxes_give_finite_losses():
    batch = make_batch()
    for x in batch:
        x["instances"] = x["instances"][:0]
    losses = step(make(), batch)
    assert losses["loss_cls"].isfinite() and losses["loss_box_reg"] == 0


def test_a_resumed_run_is_bit_identical():
    model = make()
    for seed in range(2):
        step(model, make_batch(seed=seed))
    resumed = make()
    resumed.load_state_dict(copy.deepcopy(model.state_dict()))
    for seed in (2, 3):
        expected, actual = step(model, make_batch(seed=seed)), step(resumed, make_batch(seed=seed))
        assert all(torch.equal(actual[name], expected[name]) for name in expected)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), resumed.state_dict().values()))


def test_validation_losses_change_nothing_and_need_no_storage():
    model = make(bottom_up="BN", head="BN")
    step(model, make_batch())
    before = copy.deepcopy(model.state_dict())
    with EventStorage() as storage:
        losses = model.validation_losses(make_batch(seed=1))
        assert not storage.latest()
    assert set(losses) == {"loss_cls", "loss_box_reg"}
    assert all(loss.isfinite() and not loss.requires_grad for loss in losses.values())
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    # outside of any storage, in evaluation mode: the same
    again = model.eval().validation_losses(make_batch(seed=1))
    assert not model.training and all(torch.equal(losses[name], again[name]) for name in losses)


def test_validation_losses_are_training_losses_where_nothing_depends_on_the_mode():
    model, batch = make(bottom_up="GN"), make_batch()
    step(model, batch, lr=0.0)
    with EventStorage():
        training = model(batch)
    validation = model.validation_losses(batch)
    assert all(torch.allclose(validation[name], training[name], rtol=1e-5) for name in training)


def test_validation_losses_do_not_depend_on_the_batch_size():
    model, batch = make(bottom_up="BN"), make_batch(3)
    step(model, batch)
    together = model.validation_losses(batch)
    alone = [model.validation_losses([x]) for x in batch]
    for name in together:
        assert torch.allclose(together[name], sum(losses[name] for losses in alone) / 3, rtol=1e-4)


def test_the_mode_comes_back_after_an_error():
    model = make()
    with pytest.raises(KeyError):
        model.validation_losses([{"image": torch.zeros(3, 64, 64)}])
    assert model.training


def test_validation_before_any_training_divides_by_the_matched_anchors():
    model, batch = make(), make_batch()
    untrained = model.validation_losses(batch)
    model.positives_per_image.fill_(count_positives(model, batch) / 2)
    for name, loss in model.validation_losses(batch).items():
        assert torch.allclose(loss, untrained[name])


def test_channels_last_gives_the_same_numbers():
    model, batch = make(bottom_up="BN", fpn="GN", head="BN"), make_batch()
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)
    assert other.preprocess_image(batch).tensor.is_contiguous(memory_format=torch.channels_last)
    assert model.preprocess_image(batch).tensor.is_contiguous()
    expected, actual = step(model, batch), step(other, batch)
    assert all(torch.allclose(actual[name], expected[name], rtol=1e-4) for name in expected)
    image = other.preprocess_image(batch).tensor
    with torch.no_grad():
        a, b = model.eval().backbone(image), other.eval().backbone(image)
    assert all(torch.allclose(a[name], b[name], rtol=1e-3, atol=1e-4) for name in a)


def test_boxes_come_out_in_the_size_of_the_original_image():
    model = make("MODEL.RETINANET.SCORE_THRESH_TEST", 0.0, "TEST.DETECTIONS_PER_IMAGE", 5).eval()
    with torch.no_grad():
        (result,) = model([{"image": torch.rand(3, 50, 70) * 255, "height": 100, "width": 140}])
    assert result["instances"].image_size == (100, 140) and len(result["instances"]) == 5


def test_anchors_on_an_ignore_region_are_not_judged():
    model = make()
    anchors = [Boxes(torch.tensor([[0.0, 0, 10, 10], [30, 30, 40, 40], [30, 30, 50, 55], [80, 80, 90, 90]]))]
    objects = {"gt_boxes": Boxes(torch.tensor([[0.0, 0, 10, 10]])), "gt_classes": torch.tensor([1])}
    # the region lies on the object, too, and on 100 % and 20 % of the next two
    region = Boxes(torch.tensor([[0.0, 0, 10, 10], [30, 30, 40, 40]]))
    (labels,), _ = model.label_anchors(anchors, [ImageTargets((100, 100), region, **objects)])
    assert labels.tolist() == [1, -1, 3, 3]
    nothing = {"gt_boxes": Boxes(torch.zeros(0, 4)), "gt_classes": torch.zeros(0, dtype=torch.int64)}
    (labels,), _ = model.label_anchors(anchors, [ImageTargets((100, 100), region, **nothing)])
    assert labels.tolist() == [-1, -1, 3, 3]


@pytest.mark.parametrize("of_ious", [[0, -1, 1], [-1, 0, 1]], ids=str)
def test_labels_and_boxes_are_detectron2_s(of_ious):
    model = make("MODEL.RETINANET.IOU_LABELS", of_ious)
    torch.manual_seed(0)
    anchors = model.anchor_generator([torch.zeros(1, 1, 64 // stride, 64 // stride) for stride in (8, 16, 32, 64, 64)])
    batch = []
    for count in (0, 3, 0, 1, 7, 0):
        corners = torch.rand(count, 2) * 40
        boxes = Boxes(torch.cat([corners, corners + torch.rand(count, 2) * 24 + 1], 1))
        batch.append(Instances((64, 64), gt_boxes=boxes, gt_classes=torch.randint(0, 3, (count,))))
    labels, boxes = model.label_anchors(anchors, batch)
    expected = RetinaNet.label_anchors(model, anchors, batch)
    matched = 0
    for label, box, expected_label, expected_box in zip(labels, boxes, *expected, strict=True):
        assert torch.equal(label, expected_label)
        objects = (label >= 0) & (label != 3)
        assert torch.equal(box[objects], expected_box[objects])
        matched += int(objects.sum())
    assert matched > 10


def losses_of(model, instances):
    image = make_batch(1)[0]["image"]
    with EventStorage():
        return model([{"image": image, "instances": x} for x in instances])


def weighted(rows, *weights):
    instances = make_batch(1)[0]["instances"][torch.tensor(rows, dtype=torch.int64)]
    if weights:
        instances.gt_weights = torch.tensor(weights)
    return instances


def test_weights_of_one_change_nothing():
    plain, ones = (losses_of(make(), [weighted([0, 1], *w)]) for w in ((), (1.0, 1.0)))
    assert {name: loss.item() for name, loss in plain.items()} == {name: loss.item() for name, loss in ones.items()}


def test_an_object_s_weight_multiplies_the_losses_of_its_anchors():
    """Box losses are w_0 a + w_1 b, where a and b are those of each object's anchors; the class losses of its anchors
    are multiplied, those of the background are not."""
    model = make().eval()  # the normaliser stays
    with torch.no_grad():
        features = [model.backbone(model.preprocess_image(make_batch(1)).tensor)[f] for f in model.head_in_features]
        anchors = model.anchor_generator(features)
        logits, deltas = model._transpose_dense_predictions(model.head(features), [3, 4])
        both = weighted([0, 1], 0.25, 0.5)
        labels, boxes = model.label_anchors(anchors, [both])
        weights = model._anchor_weights(anchors, labels, [both])
        assert weights[labels[0][None] == 0].unique().tolist() == [0.25]
        assert weights[labels[0][None] == 2].unique().tolist() == [0.5]
        assert weights[(labels[0][None] == 3) | (labels[0][None] == -1)].unique().tolist() == [1.0]
        model.positives_per_image.fill_(10.0)
        with EventStorage():
            given = (anchors, logits, labels, deltas, boxes)
            light, full, none = (
                model.losses(*given, w) for w in (weights, torch.ones_like(weights), (labels[0][None] == 3).float())
            )
            alone = [model.losses(*given, (labels[0][None] == k).float()) for k in (0, 2)]
    assert light["loss_box_reg"].item() == pytest.approx(
        0.25 * alone[0]["loss_box_reg"].item() + 0.5 * alone[1]["loss_box_reg"].item(), rel=1e-5
    )
    assert none["loss_box_reg"] == 0 and full["loss_box_reg"] > light["loss_box_reg"]
    parts = [0.25 * alone[0]["loss_cls"], 0.5 * alone[1]["loss_cls"], none["loss_cls"]]
    assert light["loss_cls"].item() == pytest.approx(sum(parts).item(), rel=1e-5)


def test_weights_beside_an_image_without_objects():
    empty = weighted([])
    empty.gt_weights = torch.zeros(0)
    for batch in ([weighted([0], 0.5), empty], [empty, weighted([0], 0.5)], [empty, empty]):
        assert all(loss.isfinite() for loss in losses_of(make(), batch).values())
