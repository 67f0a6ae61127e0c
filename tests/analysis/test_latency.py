import torch
from torch import nn

from dense_det.analysis.latency import DenseNetwork, forward_of, interleaved_ms, median_ratio


def test_calls_take_turns():
    order = []
    times = interleaved_ms([lambda: order.append("a"), lambda: order.append("b")], rounds=3, warmup=1)
    assert order == ["a", "b"] * 4
    assert len(times) == 3 and all(len(row) == 2 and min(row) >= 0 for row in times)


def test_ratios_are_paired_by_round():
    # each round twice as slow as the one before: the medians of the columns would say 4 / 2
    assert median_ratio([[1, 1], [4, 2], [8, 2]]) == 2
    assert median_ratio([[1, 4]], numerator=1, denominator=0) == 4


class Detector(nn.Module):
    head_in_features = ["p1"]

    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 2, 1)
        self.backbone.forward = lambda x: {"p1": x[:, :1], "p2": x}
        self.head = nn.Identity()


def test_a_network_is_backbone_and_head():
    x = torch.rand(1, 3, 4, 4)
    (level,) = DenseNetwork(Detector())(x)
    assert torch.equal(level, x[:, :1])


def test_a_forward_is_inference_on_its_size():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Dropout(0.99))
    y = forward_of(network, 10)()
    assert y.shape == (1, 4, 5, 5) and not y.requires_grad and not network.training
    assert y.is_contiguous(memory_format=torch.channels_last)
