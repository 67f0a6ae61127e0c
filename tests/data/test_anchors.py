import numpy as np
import pytest
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.structures import BoxMode

from dense_det.config import get_cfg
from dense_det.data.anchors import box_shapes, choose_anchors, fit_anchors, measure_anchors

STRIDES = (8, 16, 32, 64, 128)
COCO_ANCHORS = ([[s, s * 2 ** (1 / 3), s * 2 ** (2 / 3)] for s in (32, 64, 128, 256, 512)], [[0.5, 1.0, 2.0]])


def layout_boxes(count=600):
    """Lines, paragraphs, tables and pictures of a page 448 pixels wide."""
    random = np.random.RandomState(0)
    kind = random.choice(4, count, p=[0.3, 0.4, 0.15, 0.15])
    width = random.uniform([40, 150, 120, 80], [260, 340, 340, 320], (count, 4))[np.arange(count), kind]
    height = np.exp(random.uniform(*np.log([[7, 8, 30, 60], [12, 120, 300, 330]]), (count, 4)))[np.arange(count), kind]
    return np.stack([width, height], axis=1)


def test_measure_by_hand():
    # level of stride 8, anchor 40 x 10; a box of the same shape lies 1 or 3 pixels off in x and in y
    fit = measure_anchors(np.array([[40.0, 10.0]]), [[20.0]], [[0.25]], [8])
    overlaps = [(40 - x) * (10 - y) for x in (1, 3) for y in (1, 3)]
    expected = [o / (800 - o) for o in overlaps]
    assert fit.mean_iou == pytest.approx(np.mean(expected))
    assert fit.coverage == np.mean([iou >= 0.5 for iou in expected]) and fit.shape_coverage == 1.0
    assert fit.num_anchors == 1


def test_shape_alone_flatters_flat_anchors_on_coarse_levels():
    line = np.array([[200.0, 8.0]])
    fine, coarse = (measure_anchors(line, [[40.0]], [[0.04]], [stride]) for stride in (8, 64))
    assert fine.shape_coverage == coarse.shape_coverage == 1.0
    assert fine.coverage >= 0.5 and coarse.coverage == 0.0


def test_one_list_serves_all_levels():
    boxes = layout_boxes(50)
    assert measure_anchors(boxes, [[32.0]], [[0.5, 1.0]], STRIDES) == measure_anchors(
        boxes, [[32.0]] * 5, [[0.5, 1.0]] * 5, STRIDES
    )


def test_fitted_anchors_cover_layout_boxes():
    boxes = layout_boxes()
    before = measure_anchors(boxes, *COCO_ANCHORS, STRIDES).coverage
    fit = fit_anchors(boxes, STRIDES)
    assert fit.num_anchors == 3
    assert fit.coverage > 0.7 > 0.5 > before  # a third of the anchors, and far more boxes
    assert measure_anchors(boxes, fit.sizes, fit.aspect_ratios, STRIDES) == fit


def test_known_shapes_are_found():
    # two shapes that suit strides 8 and 64
    boxes = np.repeat([[120.0, 12.0], [300.0, 240.0]], 50, axis=0)
    fit = fit_anchors(boxes, (8, 64), num_ratios=1)
    (small,), (large,) = fit.sizes
    (flat,), (square,) = fit.aspect_ratios
    assert (small, flat) == (pytest.approx(np.sqrt(120 * 12), rel=0.1), pytest.approx(0.1, rel=0.2))
    assert (large, square) == (pytest.approx(np.sqrt(300 * 240), rel=0.1), pytest.approx(0.8, rel=0.2))


def test_choice_is_the_best_split():
    boxes = layout_boxes(200)
    choice = choose_anchors(boxes, STRIDES, 2)
    splits = [fit_anchors(boxes, STRIDES, 1, 2), fit_anchors(boxes, STRIDES, 2, 1)]
    assert choice.mean_iou == max(fit.mean_iou for fit in splits) and choice.num_anchors == 2


def test_the_order_of_boxes_does_not_matter():
    boxes = layout_boxes(200)
    shuffled = boxes[np.random.RandomState(1).permutation(len(boxes))]
    assert fit_anchors(boxes, STRIDES) == fit_anchors(shuffled, STRIDES)


@pytest.mark.parametrize("boxes", [[[100.0, 10.0]], [[100.0, 10.0]] * 30, [[100.0, 10.0], [10.0, 100.0]]])
def test_fewer_shapes_than_anchors(boxes):
    fit = fit_anchors(np.array(boxes), STRIDES, num_ratios=3, num_sizes=2)
    assert fit.coverage == 1.0
    assert all(len(set(s)) == 2 and len(set(r)) == 3 for s, r in zip(fit.sizes, fit.aspect_ratios, strict=True))


def test_levels_that_no_box_needs_keep_their_size():
    fit = fit_anchors(np.full((20, 2), (60.0, 12.0)), STRIDES)
    assert fit.sizes[1:] == [[64.0], [128.0], [256.0], [512.0]]


def test_detectron2_takes_the_fit():
    fit = choose_anchors(layout_boxes(100), STRIDES, 3)
    cfg = get_cfg()
    cfg.merge_from_list(
        ["MODEL.ANCHOR_GENERATOR.SIZES", fit.sizes, "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", fit.aspect_ratios]
    )
    node = cfg.MODEL.ANCHOR_GENERATOR
    generator = DefaultAnchorGenerator(sizes=node.SIZES, aspect_ratios=node.ASPECT_RATIOS, strides=list(STRIDES))
    assert generator.num_anchors == [3] * 5
    assert str(fit.sizes) in fit.as_yaml() and f"{fit.coverage:.1%}" in str(fit)


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        (np.zeros((0, 2)), "no boxes"),
        (np.ones((3, 4)), r"\(3, 4\)"),
        (np.array([[1.0, 0.0]]), "positive"),
        (np.array([[1.0, np.nan]]), "positive"),
    ],
)
def test_bad_boxes_are_refused(boxes, says):
    with pytest.raises(ValueError, match=says):
        fit_anchors(boxes, STRIDES)


def test_bad_counts_are_refused():
    boxes = np.ones((2, 2))
    for call in (
        lambda: fit_anchors(boxes, STRIDES, num_ratios=0),
        lambda: fit_anchors(boxes, []),
        lambda: choose_anchors(boxes, STRIDES, 0),
        lambda: measure_anchors(boxes, [[32.0]] * 3, [[1.0]], STRIDES),
    ):
        with pytest.raises(ValueError):
            call()


def test_box_shapes_at_the_size_of_the_network():
    def box(xywh, **more):
        return {"bbox": xywh, "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0, **more}

    records = [
        {"height": 1000, "width": 500, "annotations": [box([0, 0, 100, 20]), box([0, 0, 9, 9], iscrowd=1)]},
        {"height": 100, "width": 1000, "annotations": [box([5, 5, 100, 10]), box([0, 0, 0, 3])]},
        {"height": 10, "width": 10},
    ]
    # 500 -> 250 halves the first; the second is limited by 500 / 1000
    assert box_shapes(records, 250, 500).tolist() == [[50, 10], [50, 5]]
    assert box_shapes(records, 0, 500).tolist() == [[100, 20], [100, 10]]  # MIN_SIZE_TEST 0 resizes nothing
    assert box_shapes([], 250, 500).shape == (0, 2)
