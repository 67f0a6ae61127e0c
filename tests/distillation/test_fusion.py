"""Fusion against values worked out by hand, and against slow implementations written from the papers alone."""

import numpy as np
import pytest

from dense_det.distillation.fusion import DEFAULT_IOU, Boxes, fuse, spread

A, B = [0, 0, 10, 10], [0, 0, 10, 8]  # IoU 0.8
FAR = [100, 100, 120, 110]


def found(*per_source):
    """Each source: a list of (box, score, class)."""
    return Boxes.join(
        [([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]) for rows in per_source]
    )  # fmt: skip


def test_weighted_box_fusion_by_hand():
    fused = fuse("wbf", found([(A, 0.9, 0), (FAR, 0.5, 0)], [(B, 0.6, 0)]), 2, 0.55)
    assert np.allclose(fused.boxes, [[0, 0, 10, (0.9 * 10 + 0.6 * 8) / 1.5], FAR])
    assert fused.scores.tolist() == pytest.approx([0.75, 0.25])  # FAR: 0.5 x 1 / 2
    assert fused.votes.tolist() == [1, 0.5]
    # the lower side's deviation is 1, the others' 0; mean width 10, mean height 9
    assert fused.spread.tolist() == pytest.approx([0.25 / 9.5, 0])
    assert [m.tolist() for m in fused.members] == [[0, 2], [1]]


def test_what_is_left_of_a_box_at_the_edge_is_no_label():
    """With the two decimals of a file of labels the first would be 0 wide: check_data refuses that before training."""
    boxes = found([([59.997, 10, 60, 20], 0.9, 0), ([59.8, 10, 60, 20], 0.8, 0)]).boxes
    assert boxes.tolist() == [[59.8, 10, 60, 20]]


def test_box_voting_by_hand():
    fused = fuse("voting", found([(A, 0.9, 0)], [(B, 0.6, 0)], []), 3, 0.5)
    assert fused.boxes.tolist() == [pytest.approx([0, 0, 10, 9.2])]
    assert fused.scores.tolist() == [0.9] and fused.votes.tolist() == pytest.approx([2 / 3])


def test_nms_by_hand():
    fused = fuse("nms", found([(B, 0.6, 0)], [(A, 0.9, 0)]), 2, 0.5)
    assert fused.boxes.tolist() == [A] and fused.scores.tolist() == [0.9] and fused.votes.tolist() == [1]
    assert fused.members[0].tolist() == [1, 0]


@pytest.mark.parametrize("kind", DEFAULT_IOU)
def test_edges(kind):
    nothing = fuse(kind, found([], []), 2, 0.5)
    assert nothing.boxes.shape == (0, 4) and nothing.spread.shape == (0,)
    two_classes = fuse(kind, found([(A, 0.9, 0), (A, 0.8, 1)]), 1, 0.5)
    assert two_classes.classes.tolist() == [0, 1], "classes never meet"
    bad = fuse(kind, found([([0, 0, 0, 5], 0.9, 0), ([0, 0, np.nan, 5], 0.9, 0), ([5, 0, 2, 5], 0.9, 0)]), 1, 0.5)
    assert len(bad.scores) == 0
    twice = fuse(kind, found([(A, 0.9, 0), (B, 0.9, 0)]), 2, 0.5)
    assert twice.votes.tolist() == [0.5], "one source has one vote"


@pytest.mark.parametrize(("kind", "scores"), [("wbf", [0.9, 0.25]), ("voting", [0.9, 0.5]), ("nms", [0.9, 0.5])])
def test_a_source_that_does_not_know_a_class_has_no_say_in_it(kind, scores):
    fused = fuse(kind, found([(A, 0.9, 1), (FAR, 0.5, 0)], []), np.array([2, 1]), 0.5)
    assert fused.classes.tolist() == [1, 0] and fused.votes.tolist() == [1, 0.5]
    assert fused.scores.tolist() == pytest.approx(scores)


def test_what_is_refused():
    with pytest.raises(ValueError, match="no fusion named 'soft'"):
        fuse("soft", found([]), 1, 0.5)
    with pytest.raises(ValueError, match="got 1.5"):
        fuse("nms", found([]), 1, 1.5)


def test_the_spread_by_hand():
    assert spread(np.array([[0, 0, 10, 10], [2, 0, 12, 10]], float)) == pytest.approx(0.5 / 10)


# --- slow, and written from the papers ------------------------------------------------------------------------------


def slow_iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


def slow_average(rows):
    total = sum(s for _, s in rows)
    return [sum(s * box[i] for box, s in rows) / total for i in range(4)]


def slow_wbf(rows, iou, num_sources):
    groups = []
    for row in rows:
        best, best_iou = None, iou
        for group in groups:
            if slow_iou(slow_average(group), row[0]) > best_iou:
                best, best_iou = group, slow_iou(slow_average(group), row[0])
        if best is None:
            groups.append([row])
        else:
            best.append(row)
    return [
        (slow_average(g), sum(s for _, s in g) / len(g) * min(len(g), num_sources) / num_sources) for g in groups
    ]  # fmt: skip


def slow_nms(rows, iou):
    kept = []
    for box, score in rows:
        if all(slow_iou(box, other) <= iou for other, _ in kept):
            kept.append((box, score))
    return kept


def slow_voting(rows, iou):
    return [
        (slow_average([r for r in rows if slow_iou(r[0], box) > iou]), score) for box, score in slow_nms(rows, iou)
    ]  # fmt: skip


SLOW = {
    "wbf": slow_wbf,
    "voting": lambda rows, iou, _: slow_voting(rows, iou),
    "nms": lambda rows, iou, _: slow_nms(rows, iou),
}


@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("seed", range(8))
def test_as_the_slow_one(kind, seed):
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 200, (6, 2))
    true = np.concatenate([true, true + rng.uniform(20, 80, (6, 2))], 1)
    sources = []
    for _ in range(4):
        boxes = true[rng.permutation(6)[: rng.integers(0, 7)]]
        boxes = boxes + rng.normal(0, 4, boxes.shape)
        sources.append((boxes, rng.uniform(0.05, 1, len(boxes)), rng.integers(0, 2, len(boxes))))
    iou = DEFAULT_IOU[kind]
    fused = fuse(kind, Boxes.join(sources), 4, iou)
    assert (np.diff(fused.scores) <= 0).all() and (fused.votes <= 1).all() and (fused.votes > 0).all()
    for k in (0, 1):
        rows = [(b.tolist(), s) for boxes, scores, classes in sources
                for b, s, c in zip(boxes, scores, classes) if c == k]  # fmt: skip
        expected = sorted(SLOW[kind](sorted(rows, key=lambda r: -r[1]), iou, 4), key=lambda r: -r[1])
        mine = fused.classes == k
        assert np.allclose(fused.scores[mine], [s for _, s in expected])
        assert np.allclose(fused.boxes[mine], np.array([b for b, _ in expected]).reshape(-1, 4))
