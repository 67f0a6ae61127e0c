import hypothesis.strategies as st
from hypothesis import given, settings

from dense_det.data.pdf.geometry import group_near, inside, merge_touching, overlap_x, touch, union

corner = st.integers(0, 180)
boxes = st.lists(
    st.tuples(corner, corner, st.integers(1, 20), st.integers(1, 20)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    min_size=1,
    max_size=12,
)


def test_values():
    assert union([(0, 5, 2, 6), (1, 1, 9, 2)]) == (0, 1, 9, 6)
    assert overlap_x((0, 0, 4, 1), (3, 5, 9, 6)) == 1 and overlap_x((0, 0, 4, 1), (6, 0, 9, 1)) == -2
    assert inside((0, 0, 10, 10), (0, 0, 7, 10), 0.6) and not inside((0, 0, 10, 10), (0, 0, 5, 10), 0.6)
    assert inside((1, 5, 9, 5), (0, 0, 10, 10))  # a rule without height


@settings(max_examples=40)
@given(boxes)
def test_merged_boxes_do_not_touch_and_cover_all(given_boxes):
    merged = merge_touching(given_boxes, 3)
    assert not any(touch(a, b) for i, a in enumerate(merged) for b in merged[i + 1 :])
    assert all(any(union([box, m]) == m for m in merged) for box in given_boxes)


@settings(max_examples=40)
@given(boxes)
def test_groups_are_a_partition_that_keeps_touching_boxes_together(given_boxes):
    groups = group_near(given_boxes, 4, (210, 210))
    assert sorted(index for group in groups for index in group) == list(range(len(given_boxes)))
    group_of = {index: number for number, group in enumerate(groups) for index in group}
    for i, a in enumerate(given_boxes):
        for j, b in enumerate(given_boxes):
            assert not touch(a, b) or group_of[i] == group_of[j]


def test_far_boxes_are_two_groups():
    assert len(group_near([(0, 0, 10, 10), (30, 0, 40, 10)], 7, (100, 100))) == 2
    assert len(group_near([(0, 0, 10, 10), (15, 0, 40, 10)], 7, (100, 100))) == 1
