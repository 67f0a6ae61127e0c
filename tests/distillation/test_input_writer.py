import hashlib

import pytest

from dense_det.distillation.input_writer import InputWriter
from dense_det.distillation.work_folder import InputImage, Shards


def test_inputs_are_cut_into_shards(tmp_path):
    shards = Shards(tmp_path)
    writer = InputWriter(shards, 2)
    for number in range(1, 6):
        writer.add(InputImage(number, "a.jpg", None, None, "00" * 32, 200, 100))
    digest = writer.close()
    assert (writer.num_images, writer.num_shards) == (5, 3)
    assert [[i.id for i in shards.read_inputs(s)] for s in range(3)] == [[1, 2], [3, 4], [5]]
    assert digest == hashlib.sha256(b"".join(shards.inputs(s).read_bytes() for s in range(3))).hexdigest()


def test_a_shard_holds_something(tmp_path):
    with pytest.raises(ValueError, match="got a shard size of 0"):
        InputWriter(Shards(tmp_path), 0)
