import torch
from torch import nn

from dense_det.layers.memory_format import laid_out_as


def test_images_lie_as_weights_do():
    images = torch.rand(2, 3, 8, 8)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
    assert laid_out_as(plain, images) is images
    last = plain.to(memory_format=torch.channels_last)
    laid_out = laid_out_as(last, images)
    assert laid_out.is_contiguous(memory_format=torch.channels_last) and torch.equal(laid_out, images)


def test_1x1_and_depthwise_weights_tell_nothing():
    images = torch.rand(2, 3, 8, 8)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4)).to(memory_format=torch.channels_last)
    assert laid_out_as(network, images) is images
