"""Shards of predictions: same in, same out, same bytes; damage is named."""

import numpy as np
import pytest

from dense_det.distillation.shard_file import ImagePredictions, ShardPredictions


def predictions(image_id: int, rows: int, masks=None) -> ImagePredictions:
    boxes = np.arange(4 * rows).reshape(rows, 4) + image_id
    scores = np.linspace(0.9, 0.1, rows)
    return ImagePredictions(image_id, boxes, scores, np.arange(rows), np.ones(rows), np.zeros(rows), masks)


def test_offsets_by_hand():
    shard = ShardPredictions.join([predictions(7, 2), predictions(8, 0), predictions(9, 3)])
    assert shard.offsets.tolist() == [0, 2, 2, 5] and shard.image_id.tolist() == [7, 8, 9]
    assert shard.boxes.dtype == shard.scores.dtype == np.float32 and shard.classes.dtype == np.int32
    assert [(image.image_id, len(image)) for image in shard] == [(7, 2), (8, 0), (9, 3)]
    assert list(shard)[2].boxes[1].tolist() == [13, 14, 15, 16]


def test_an_image_that_is_kept_does_not_keep_its_shard():
    image = next(iter(ShardPredictions.join([predictions(7, 2), predictions(8, 3)])))
    assert image.boxes.base is None and image.votes.base is None


def test_round_trip_with_masks(tmp_path):
    shard = ShardPredictions.join(
        [predictions(1, 2, (b"abc", b"")), predictions(2, 0, ()), predictions(3, 1, (b"xy",))]
    )
    shard.save(tmp_path / "a.npz")
    images = list(ShardPredictions.load(tmp_path / "a.npz"))
    assert [image.masks for image in images] == [(b"abc", b""), (), (b"xy",)]
    assert images[0].boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_nothing_at_all(tmp_path):
    ShardPredictions.join([]).save(tmp_path / "a.npz")
    shard = ShardPredictions.load(tmp_path / "a.npz")
    assert len(shard) == 0 and list(shard) == [] and shard.boxes.shape == (0, 4)


def test_same_bytes(tmp_path):
    for name in ("a", "b"):
        ShardPredictions.join([predictions(1, 3)]).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_all_or_none_have_masks():
    with pytest.raises(ValueError, match="all or none"):
        ShardPredictions.join([predictions(1, 1, (b"a",)), predictions(2, 1)])


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-30], lambda b: b"", lambda b: b"not a zip", lambda b: b[: len(b) // 2]]
)
def test_damage_is_named(tmp_path, damage):
    path = tmp_path / "a.npz"
    ShardPredictions.join([predictions(1, 3)]).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="delete it and run again"):
        ShardPredictions.load(path)


def test_arrays_that_do_not_fit(tmp_path):
    shard = ShardPredictions.join([predictions(1, 3)])
    np.savez(tmp_path / "a.npz", **{k: v for k, v in vars(shard).items() if v is not None} | {"scores": np.ones(2)})
    with pytest.raises(ValueError, match="do not fit"):
        ShardPredictions.load(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError):
        ShardPredictions.load(tmp_path / "b.npz")


def test_columns_alone(tmp_path):
    shard = ShardPredictions.join([predictions(1, 2), predictions(2, 1)])
    shard.save(tmp_path / "a.npz")
    scores, classes = ShardPredictions.load_columns(tmp_path / "a.npz", ("scores", "classes"))
    assert scores.tolist() == shard.scores.tolist() and classes.tolist() == [0, 1, 0]
    (tmp_path / "a.npz").write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="delete it and run again"):
        ShardPredictions.load_columns(tmp_path / "a.npz", ("scores",))
