"""Where a detector's time goes, by a clock that the test turns."""

from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from torch import nn

import dense_det  # noqa: F401  registers
from dense_det.analysis.part_clock import PartClock
from dense_det.config import load_cfg

CONFIGS = Path(__file__).parents[2] / "configs"


class Worker(nn.Module):
    """Takes so many seconds before its child runs, and again after it."""

    def __init__(self, clock, seconds, child=None):
        super().__init__()
        self.clock, self.seconds, self.bottom_up = clock, seconds, child

    def forward(self, x):
        self.clock.now += self.seconds
        if self.bottom_up is not None:
            self.bottom_up(x)
            self.clock.now += self.seconds
        return x


class Clock:
    now = 100.0


class Detector(nn.Module):
    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.backbone = Worker(clock, 2, Worker(clock, 5))
        self.head = Worker(clock, 3)

    def forward(self, x):
        self.clock.now += 1
        x = self.backbone(x)
        self.clock.now += 0.25
        x = self.head(x)
        self.clock.now += 0.5


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    return clock


BY_HAND = {"prepare": 1000, "fpn": 4000, "bottom_up": 5000, "post": 750, "head": 3000}


def test_the_innermost_part_is_charged(clock):
    model = Detector(clock)
    with PartClock(model, "cpu") as parts:
        for _ in range(2):
            assert parts.milliseconds(lambda: model(torch.zeros(1))) == BY_HAND
    # afterwards the model has no hooks
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_on_a_gpu_events_are_read_when_all_is_done(clock, monkeypatch, device):
    waited = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self, stream):
            assert stream == f"stream of {device}"
            self.at = clock.now

        def elapsed_time(self, later):
            assert len(waited) == 2, "read before the GPU was done"
            return 1000 * (later.at - self.at)

    monkeypatch.setattr("torch.cuda.Event", Event)
    monkeypatch.setattr("torch.cuda.current_stream", lambda of: f"stream of {of}")
    monkeypatch.setattr("torch.cuda.synchronize", lambda of: waited.append((str(of), clock.now)))
    model = Detector(clock)
    with PartClock(model, device) as parts:
        assert parts.milliseconds(lambda: model(torch.zeros(1))) == BY_HAND
    assert waited == [(device, 100), (device, 113.75)]


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ("retina_snet", {"bottom_up", "fpn", "head"}),
        ("centermask_idcards", {"bottom_up", "fpn", "head", "masks"}),
        ("mask_rcnn_vovnet", {"bottom_up", "fpn", "head", "boxes", "masks"}),
        ("panoptic_centermask_vovnet", {"bottom_up", "fpn", "head", "semantic", "masks"}),
    ],
)
def test_the_parts_of_detectors(config, parts):
    slim = ["MODEL.BOTTOM_UP.VARIANT", "V-19-slim-dw-eSE"] if "vovnet" in config else []
    model = build_model(load_cfg(CONFIGS / f"{config}.yaml", ["MODEL.DEVICE", "cpu", *slim])).eval()
    record = {"image": torch.zeros(3, 64, 64), "height": 64, "width": 64}
    with torch.no_grad(), PartClock(model, "cpu") as clock:
        times = clock.milliseconds(lambda: model([record]))
    assert set(times) == {"prepare", "post", *parts} and next(iter(times)) == "prepare"
