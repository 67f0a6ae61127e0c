import itertools

import pytest

from dense_det.data.sampler import MixedSampler, PositionSampler, ShapeSampler, seeded_state


def take(sampler, count):
    return list(itertools.islice(sampler, count))


def test_every_epoch_is_another_permutation_of_all_images():
    stream = take(PositionSampler([1] * 10, seed=3), 30)
    assert [position for position, _ in stream] == list(range(30))
    epochs = [[index for _, index in stream[e : e + 10]] for e in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_stream_depends_on_the_seed():
    assert take(PositionSampler([1] * 50, seed=1), 50) != take(PositionSampler([1] * 50, seed=2), 50)
    assert take(PositionSampler([1] * 50, seed=1), 50) == take(PositionSampler([1] * 50, seed=1), 50)


def test_a_start_anywhere_gives_the_rest_of_the_same_stream():
    whole = take(PositionSampler([1] * 7, seed=0), 40)
    for start in (0, 1, 6, 7, 8, 23):
        assert take(PositionSampler([1] * 7, seed=0, start=start), 10) == whole[start : start + 10]


def test_ranks_share_the_stream_by_position():
    whole = take(PositionSampler([1] * 7, seed=0), 36)
    for world_size in (2, 3):
        for start in (0, 5):
            for rank in range(world_size):
                share = take(PositionSampler([1] * 7, 0, start, rank, world_size), 5)
                assert share == [(p, i) for p, i in whole if p >= start and p % world_size == rank][:5]


def test_an_image_stands_in_an_epoch_as_often_as_its_repeats_say():
    stream = [index for _, index in take(PositionSampler([1, 2.5, 1.5, 1], seed=0), 6 * 40)]
    epochs = [stream[e : e + 6] for e in range(0, len(stream), 6)]
    for index, allowed in ((0, {1}), (1, {2, 3}), (2, {1, 2}), (3, {1})):
        assert {epoch.count(index) for epoch in epochs} == allowed
    assert 40 < sum(epoch.count(2) for epoch in epochs) < 80


def test_one_image_is_enough():
    assert take(PositionSampler([1] * 1, seed=0), 3) == [(0, 0), (1, 0), (2, 0)]


def test_the_generator_is_frozen():
    # numbers of NumPy 2.4 on the day of writing: another version must not change a resumed training
    assert seeded_state(0, 0).permutation(6).tolist() == [3, 0, 5, 1, 2, 4]
    assert seeded_state(7, 2**40).permutation(6).tolist() == [2, 3, 1, 4, 5, 0]


def test_six_of_ten_are_labelled():
    labelled, pseudo = [0, 2, 4], [1, 3, 5, 6, 7]
    stream = [index for _, index in take(MixedSampler(labelled, pseudo, 0.6, 10, [1] * 8, 5), 1000)]
    for start in range(0, 1000, 10):
        assert sum(index in labelled for index in stream[start : start + 10]) == 6
    # each kind comes round evenly
    assert [stream.count(index) for index in labelled] == [200] * 3
    assert [stream.count(index) for index in pseudo] == [80] * 5
    assert stream[:30] != stream[30:60]


def test_a_share_is_exact_over_time_where_the_batch_does_not_divide():
    stream = [index for _, index in take(MixedSampler([0], [1], 0.6, 7, [1] * 2, 0), 700)]
    batches = [stream[start : start + 7].count(0) for start in range(0, 700, 7)]
    assert set(batches) == {4, 5} and sum(batches) == 420


def test_a_mixed_stream_is_a_function_of_the_position():
    def sampler(*place):
        return MixedSampler([0, 1, 2], [3, 4, 5, 6], 0.6, 6, [1] * 7, 2, *place)

    whole = take(sampler(), 60)
    assert take(sampler(12), 20) == whole[12:32]
    assert take(sampler(12, 1, 2), 3 * 5) == take(sampler(0, 1, 2), 30)[6:21]


@pytest.mark.parametrize(
    ("share", "batch", "ranks"), [(0.25, 4, 2), (0.25, 8, 4), (0.5, 8, 2), (0.6, 10, 5), (0.6, 7, 7)]
)
def test_every_process_gets_its_part_of_both_kinds(share, batch, ranks):
    """Together the same batches as one process, and each rank's labelled images differ by one at most, in turn."""
    labelled, pseudo = list(range(5)), list(range(5, 20))
    steps, each = 60, batch // ranks

    def rows(*place):
        stream = take(MixedSampler(labelled, pseudo, share, batch, [1] * 20, 1, *place), steps * each * ranks)
        width = each if place else batch
        return [stream[step * width : (step + 1) * width] for step in range(steps)]

    of_ranks = [rows(0, rank, ranks) for rank in range(ranks)]
    for step, whole in enumerate(rows()):
        parts = [of_ranks[rank][step] for rank in range(ranks)]
        assert sorted(row for part in parts for row in part) == whole
        counts = [sum(index in labelled for _, index in part) for part in parts]
        assert max(counts) - min(counts) <= 1
    totals = [sum(index in labelled for batch in part for _, index in batch) for part in of_ranks]
    assert max(totals) - min(totals) <= 0.15 * sum(totals) / ranks


def batches(sampler, size: int, count: int) -> list[list[tuple[int, int]]]:
    stream = take(sampler, size * count)
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def test_batches_of_one_shape():
    """Of 20 images 7 are upright: in each block of 64 batches one batch may have both shapes; nothing is lost."""
    upright = [index % 3 == 0 for index in range(20)]
    found = batches(ShapeSampler(PositionSampler([1] * 20, 3), upright, 4), 4, 128)
    for block in (found[:64], found[64:]):
        assert sum(len({upright[index] for _, index in batch}) == 2 for batch in block) <= 1
    places = sorted(place for batch in found for place in batch)
    assert places == take(PositionSampler([1] * 20, 3), 4 * 128)
    # shuffled: the shapes change from batch to batch, as often as a coin of 7/20 would
    shapes = [upright[batch[0][1]] for batch in found]
    assert 40 < sum(a != b for a, b in itertools.pairwise(shapes)) < 80
    assert [p for batch in found[:64] for p, _ in batch] != [p - 256 for batch in found[64:] for p, _ in batch]


def test_batches_of_one_shape_keep_the_share_of_each_kind():
    """1 of 4 is labelled; kinds of which the same part is upright leave few batches with both shapes."""
    upright = [index % 2 == 0 for index in range(40)]
    sampler = MixedSampler(list(range(8)), list(range(8, 40)), 0.25, 4, [1] * 40, 1)
    found = batches(ShapeSampler(sampler, upright, 4), 4, 128)
    assert all(sum(index < 8 for _, index in batch) == 1 for batch in found)
    assert sum(len({upright[index] for _, index in batch}) == 2 for batch in found) <= 8
    assert sorted(place for batch in found for place in batch) == take(sampler, 4 * 128)


@pytest.mark.parametrize("start", [0, 63, 100])
@pytest.mark.parametrize("mixed", [False, True])
def test_batches_of_one_shape_after_a_resume_and_of_several_processes(start, mixed):
    upright = [index % 3 == 0 for index in range(20)]

    def rows(*place):
        stream = ([1] * 20, 5, *place)
        sampler = MixedSampler(range(6), range(6, 20), 0.5, 4, *stream) if mixed else PositionSampler(*stream)
        return ShapeSampler(sampler, upright, 4)

    whole = batches(rows(), 4, 120)
    assert [set(batch) for batch in batches(rows(4 * start), 4, 20)] == [set(batch) for batch in whole[start:]][:20]
    halves = [batches(rows(4 * start, rank, 2), 2, 20) for rank in (0, 1)]
    for first, second, batch in zip(*halves, whole[start : start + 20], strict=True):
        assert sorted(first + second) == sorted(batch)
        if mixed:
            assert [sum(index < 6 for _, index in half) for half in (first, second)] == [1, 1]
