import pytest
import torch
from detectron2.structures import ImageList
from torch import nn

from dense_det.layers.image_batch import channels_last_batch, is_channels_last

MEAN, STD = torch.tensor([123.675, 116.28, 103.53])[:, None, None], torch.tensor([58.395, 57.12, 57.375])[:, None, None]


def test_layout_of_weights():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
    assert not is_channels_last(network) and is_channels_last(network.to(memory_format=torch.channels_last))


def test_1x1_and_depthwise_weights_tell_nothing():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4)).to(memory_format=torch.channels_last)
    assert not is_channels_last(network)


def test_by_hand():
    image = torch.tensor([[[10]], [[20]]], dtype=torch.uint8)
    batch = channels_last_batch(
        [image], torch.tensor([4.0, 5])[:, None, None], torch.tensor([2.0, 3])[:, None, None], 2
    )
    assert batch.tensor.tolist() == [[[[3, 0], [0, 0]], [[5, 0], [0, 0]]]] and batch.image_sizes == [(1, 1)]


@pytest.mark.parametrize("sizes", [[(5, 7)], [(32, 64)], [(33, 64)], [(32, 65)], [(5, 7), (40, 3), (32, 32)]])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
@pytest.mark.parametrize("square", [0, 96])
def test_as_detectron2_to_the_bit(sizes, dtype, square):
    torch.manual_seed(0)
    images = [(torch.rand(3, *size) * 255).to(dtype) for size in sizes]
    images += [image.permute(1, 2, 0).contiguous().permute(2, 0, 1) for image in images]  # as files are decoded
    before = [image.clone() for image in images]
    constraints = {"square_size": square} if square else {}
    batch = channels_last_batch(images, MEAN, STD, 32, constraints)
    expected = ImageList.from_tensors([(x - MEAN) / STD for x in images], 32, padding_constraints=constraints)
    assert torch.equal(batch.tensor, expected.tensor) and batch.tensor.dtype == expected.tensor.dtype
    assert batch.tensor.is_contiguous(memory_format=torch.channels_last) and batch.image_sizes == expected.image_sizes
    assert all(map(torch.equal, images, before)), "the input stays as it is"
