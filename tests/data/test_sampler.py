import itertools

from dense_det.data.sampler import MixedSampler, PositionSampler, seeded_state


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
    stream = [index for _, index in take(MixedSampler(labelled, pseudo, 0.6, [1] * 8, 5), 1000)]
    for start in range(0, 1000, 10):
        assert sum(index in labelled for index in stream[start : start + 10]) == 6
    # each kind comes round evenly
    assert [stream.count(index) for index in labelled] == [200] * 3
    assert [stream.count(index) for index in pseudo] == [80] * 5
    assert stream[:30] != stream[30:60]


def test_a_share_is_exact_over_time_where_the_batch_does_not_divide():
    stream = [index for _, index in take(MixedSampler([0], [1], 0.6, [1] * 2, 0), 700)]
    batches = [stream[start : start + 7].count(0) for start in range(0, 700, 7)]
    assert set(batches) == {4, 5} and sum(batches) == 420


def test_a_mixed_stream_is_a_function_of_the_position():
    def sampler(*place):
        return MixedSampler([0, 1, 2], [3, 4, 5, 6], 0.6, [1] * 7, 2, *place)

    whole = take(sampler(), 60)
    assert take(sampler(13), 20) == whole[13:33]
    assert take(sampler(0, 1, 2), 20) == whole[1:41:2]
