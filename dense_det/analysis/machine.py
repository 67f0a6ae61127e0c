"""What this machine can do at most: the limits beside which a network's speed is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from dense_det.environment import cpu_name

# (side of the matrices, side of the 256-channel feature map, MiB that are copied): a few tens of milliseconds on one
# core, more where a GPU would be idle most of the time
_SIZES = {"cpu": (1024, 32, 64), "cuda": (8192, 256, 1024)}


def usable_device(name: str | None) -> str:
    """`name`, "cpu", "cuda" or "cuda:1"; without one a GPU if there is one.

    Raises:
        ValueError: another name, or a GPU that this machine or this torch does not have.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    name = name or ("cuda" if count else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name, re.ASCII):
        raise ValueError(f"--device: expected cpu, cuda or cuda:NUMBER, got {name!r}")
    if name != "cpu" and int(name.partition(":")[2] or 0) >= count:
        raise ValueError(f"--device {name}: torch {torch.__version__} sees {count} GPUs here; take cpu or another one")
    return name


def use_device(name: str | None) -> str:
    """`usable_device`, as the current one where it is a certain GPU: what names none, as a new event, is on that."""
    device = usable_device(name)
    if ":" in device:
        torch.cuda.set_device(device)
    return device


def chip_name(device: str) -> str:
    """What computes on a `usable_device`: the name of that GPU, or of the CPU."""
    return cpu_name() if device == "cpu" else torch.cuda.get_device_name(device)


@dataclass(frozen=True)
class Probe:
    """`run` does `amount` operations (a multiply-add is two), or moves as many bytes, and does not wait for a GPU."""

    run: Callable[[], object]
    amount: float


def make_probes(device, dtype: torch.dtype = torch.float32) -> dict[str, Probe]:
    """ "gemm" and "conv" (3x3, 256 channels, channels_last) in operations, "copy" in bytes read and written.

    Args:
        dtype: of the two that compute.
    """
    device = torch.device(device)
    side, pixels, mebibytes = _SIZES["cpu" if device.type != "cuda" else "cuda"]
    a, b = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    x = torch.rand(1, 256, pixels, pixels, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.rand(256, 256, 3, 3, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    source = torch.ones(mebibytes * 2**18, device=device)
    target = torch.empty_like(source)
    return {
        "gemm": Probe(torch.inference_mode()(lambda: a @ b), 2.0 * side**3),
        "conv": Probe(torch.inference_mode()(lambda: F.conv2d(x, weight, padding=1)), 2.0 * 9 * 256**2 * pixels**2),
        "copy": Probe(lambda: target.copy_(source), 2.0 * mebibytes * 2**20),
    }


@dataclass(frozen=True)
class Limits:
    """Peak speed of arithmetic in 10^9 operations a second, and of memory in 10^9 bytes a second."""

    gflops: float
    gbytes: float

    def roof(self, operations_per_byte: float) -> float:
        """10^9 operations a second that can be reached where so many are done for each byte that is moved."""
        return min(self.gflops, operations_per_byte * self.gbytes)


def limits_of(probes: dict[str, Probe], milliseconds: dict[str, float]) -> Limits:
    """The limits by the times of the probes; arithmetic is the faster of both that compute."""
    speed = {name: probe.amount / milliseconds[name] / 1e6 for name, probe in probes.items()}
    return Limits(gflops=max(speed["gemm"], speed["conv"]), gbytes=speed["copy"])
