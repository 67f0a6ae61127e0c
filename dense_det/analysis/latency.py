"""How long things take, compared fairly: in turns, in one process."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn


def interleaved_ms(
    calls: list[Callable[[], object]], rounds: int, warmup: int = 2, clock: Callable[[], float] = time.perf_counter
) -> list[list[float]]:
    """Milliseconds of each call in each of `rounds`, (rounds, calls): A B C, A B C, ...

    What else runs on the machine hits all of them alike; what is timed alone is not.

    Args:
        clock: seconds; time.process_time of one thread is hardly touched by what else runs.
    """
    for _ in range(warmup):
        for call in calls:
            call()
    times = []
    for _ in range(rounds):
        row = []
        for call in calls:
            start = clock()
            call()
            row.append(1000 * (clock() - start))
        times.append(row)
    return times


def median_ratio(times: list[list[float]], numerator: int = 0, denominator: int = 1) -> float:
    """The median over rounds of one call's time over another's in the same round."""
    return statistics.median(row[numerator] / row[denominator] for row in times)


class DenseNetwork(nn.Module):
    """A dense detector's network alone: backbone and head, (N, 3, H, W) -> what the head gives."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.backbone, self.head, self.head_in_features = model.backbone, model.head, model.head_in_features

    def forward(self, image: torch.Tensor):
        features = self.backbone(image)
        return self.head([features[name] for name in self.head_in_features])


def forward_of(network: nn.Module, size: int) -> Callable[[], object]:
    """One forward in inference of a random image (1, 3, size, size), in the memory format of channels_last."""
    network = network.eval().to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, size, size).contiguous(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode():
            return network(image)

    return run
