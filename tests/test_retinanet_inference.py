"""The boxes of RetinaNet are Detectron2's, ties and all."""

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.meta_arch.retinanet import RetinaNet
from detectron2.structures import Boxes, ImageList

import dense_det  # noqa: F401  registers
from dense_det.config import get_cfg
from dense_det.retinanet_inference import Selection, select_boxes

TRANSFORM = Box2BoxTransform((1.0, 1.0, 1.0, 1.0))


def test_by_hand():
    """Two levels of two anchors, two classes; deltas are zero, so boxes are anchors."""
    anchors = [Boxes(torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9]])), Boxes(torch.tensor([[50.0, 0, 60, 10]] * 2))]
    # scores: 0.75 and 0.5 of class 0 overlap by 0.9; 0.5 of class 1; the last level gives one of two, 0.2 lies below
    logits = [torch.tensor([[1.0986123, 0.0], [0.0, -1.3862944]]), torch.tensor([[-9.0, 2.0], [-9.0, 1.0]])]
    deltas = [torch.zeros(2, 4), torch.zeros(2, 4)]
    selection = Selection(threshold=0.3, topk=3, nms_threshold=0.5, max_detections=9)
    found = select_boxes(anchors, logits, deltas, TRANSFORM, (100, 100), selection)
    assert found.scores.tolist() == pytest.approx([0.8808, 0.75, 0.5], abs=1e-4)
    assert found.pred_classes.tolist() == [1, 0, 1] and found.image_size == (100, 100)
    assert found.pred_boxes.tensor.tolist() == [[50, 0, 60, 10], [0, 0, 10, 10], [0, 0, 10, 10]]


def make(num_classes: int, **settings) -> RetinaNet:
    cfg = get_cfg()
    cfg.merge_from_list(
        ["MODEL.DEVICE", "cpu", "MODEL.META_ARCHITECTURE", "DenseDetRetinaNet", "MODEL.BACKBONE.NAME"]
        + ["build_fpn_backbone", "MODEL.BOTTOM_UP.NAME", "build_snet_backbone", "MODEL.BOTTOM_UP.VARIANT", "SNet-18"]
        + ["MODEL.FPN.IN_FEATURES", ["stage4", "stage5"], "MODEL.FPN.TOP_BLOCK_IN", "stage5"]
        + ["MODEL.FPN.OUT_CHANNELS", 8, "MODEL.RETINANET.IN_FEATURES", ["p4", "p5"], "MODEL.RETINANET.NUM_CONVS", 1]
        + ["MODEL.RETINANET.NUM_CLASSES", num_classes, "MODEL.ANCHOR_GENERATOR.SIZES", [[32.0], [64.0]]]
    )
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    for name, value in settings.items():
        setattr(model, name, value)
    return model


def predictions(model, mean: float, ties: bool = False):
    """Random features, logits and deltas of two images; with `ties`, scores of 0, 0.5 and 1, whose sigmoid is exact."""
    features = [torch.zeros(2, 8, height, width) for height, width in ((7, 5), (4, 3))]
    sizes = [
        (2, model.anchor_generator.num_anchors[0] * n, *f.shape[2:]) for n in (model.num_classes, 4) for f in features
    ]
    logits = [(mean + 2 * torch.randn(size)) for size in sizes[:2]]
    logits = [((x - mean) / 2).round().clamp(-1, 1) * 90 if ties else x for x in logits]
    deltas = [torch.randn(size) / 2 for size in sizes[2:]]
    return ImageList(torch.zeros(2, 3, 112, 80), [(112, 80), (100, 70)]), features, [logits, deltas]


def assert_equal_to_detectron2(model, given) -> int:
    images, features, heads = given
    with torch.no_grad():
        ours = model.forward_inference(images, features, [[x.clone() for x in kind] for kind in heads])
        theirs = RetinaNet.forward_inference(model, images, features, heads)
    for our, their in zip(ours, theirs, strict=True):
        assert our.image_size == their.image_size
        torch.testing.assert_close(our.scores, their.scores, rtol=3e-7, atol=0)  # two units in the last place
        assert torch.equal(our.pred_classes, their.pred_classes)
        assert torch.equal(our.pred_boxes.tensor, their.pred_boxes.tensor)
    return sum(map(len, ours))


@pytest.mark.parametrize("num_classes", [1, 80])
@pytest.mark.parametrize("threshold", [0.01, 0.05, 0.5, 1.0])
def test_random_outputs(num_classes, threshold):
    model = make(num_classes, test_score_thresh=threshold)
    for ties, topk, layout in (
        (False, 7, torch.contiguous_format),
        (False, 200, torch.channels_last),
        (True, 7, torch.channels_last),
        (True, 200, torch.contiguous_format),
    ):
        model.test_topk_candidates = topk
        images, features, heads = predictions(model, mean=-4.0, ties=ties)
        heads = [[x.contiguous(memory_format=layout) for x in kind] for kind in heads]
        num = assert_equal_to_detectron2(model, (images, features, heads))
        assert (num > 0) == (threshold < 1)


def test_no_threshold():
    assert assert_equal_to_detectron2(make(2, test_score_thresh=0.0), predictions(make(2), mean=0.0, ties=True)) == 200


def test_the_threshold():
    """The logit of 0.05 is -2.944439; what has the threshold as its score is not above it."""
    anchors, deltas = [Boxes(torch.tensor([[0.0, 0, 9, 9]] * 3))], [torch.zeros(3, 4)]
    for num_classes in (1, 2):
        logits = torch.tensor([-2.94445, -2.94443, 0.0])[:, None].repeat(1, num_classes)
        for threshold, expected in ((0.05, 2), (0.5, 0)):
            selection = Selection(threshold, topk=9, nms_threshold=1.0, max_detections=9)
            found = select_boxes(anchors, [logits], deltas, TRANSFORM, (9, 9), selection)
            assert len(found) == expected * num_classes


def test_extremes():
    model = make(2)
    for value in (float("nan"), float("inf"), -float("inf"), 80.0):
        images, features, heads = predictions(model, mean=-2.0)
        for level in heads[0]:
            level[:, :, ::2] = value
        assert_equal_to_detectron2(model, (images, features, heads))
    assert assert_equal_to_detectron2(model, predictions(model, mean=-90.0)) == 0


def test_real_outputs_and_anchors_of_another_size():
    model = make(2, test_score_thresh=0.01)
    for size in ((64, 96), (96, 64), (64, 96)):
        images = model.preprocess_image([{"image": torch.randint(0, 256, (3, *size), dtype=torch.uint8)}])
        with torch.no_grad():
            features = list(model.backbone(images.tensor).values())[:2]
            assert assert_equal_to_detectron2(model, (images, features, model.head(features))) > 0
