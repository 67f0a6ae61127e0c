"""What a training step keeps in memory, and the price of keeping less: a model beside its memory-efficient twin."""

import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch
from torch import nn


def saved_bytes(model: nn.Module, images: torch.Tensor) -> int:
    """Bytes that autograd keeps from the forward to the backward pass of `model(images)`: the activation memory.

    A storage that several operations keep counts once; weights, buffers and the images do not count. Without data
    (everything on "meta") it is the same number, at once.
    """
    return kept_bytes(lambda: model(images), [images, *model.parameters(), *model.buffers()])


def kept_bytes(call: Callable[[], object], given: Iterable[torch.Tensor] = ()) -> int:
    """See saved_bytes; of `call()`, without what it was `given`."""
    given = {_storage(tensor) for tensor in given}
    kept = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if _storage(tensor) not in given:
            kept[_storage(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = call()  # held until the end: what is freed may give its address to another tensor
    total = sum(kept.values())
    del outputs
    return total


def _storage(tensor: torch.Tensor) -> int:
    # of the storage itself, not of its data: what has none lies at 0
    return tensor.untyped_storage()._cdata


def train_step(model: nn.Module, images: torch.Tensor) -> None:
    """Forward and backward pass through all outputs (a tensor, or a dict of them), from no gradients."""
    model.zero_grad()
    outputs = model(images)
    outputs = outputs.values() if isinstance(outputs, dict) else [outputs]
    sum(output.square().mean() for output in outputs).backward()


def step_peak_bytes(make_model: Callable[[], nn.Module], shape: tuple[int, int, int, int]) -> int:
    """By how much one training step raises the highest resident memory of a fresh process. Needs Linux.

    Workspaces, gradients of the weights, and what is computed again are in it.

    Args:
        make_model: picklable (a function of a module, or a partial of one); it runs in a process of its own.
        shape: (N, C, H, W) of the images.
    """
    # spawned: a fork would start from this process's memory
    with _freed_at_once(), multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_step_peak_bytes, (make_model, shape))


def seconds_of_steps(
    models: dict[str, nn.Module], images: torch.Tensor, num_rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Seconds of a training step of each model, in rounds after one that is not measured.

    A round takes each model once, in turns forwards and backwards, so that what slows the machine down slows all.

    Args:
        clock: by default CPU time of this process: what other processes do is not in it.
    """
    seconds = {name: [] for name in models}
    for round_ in range(num_rounds + 1):
        for name in list(models)[:: 1 if round_ % 2 else -1]:
            start = clock()
            train_step(models[name], images)
            if round_ > 0:
                seconds[name].append(clock() - start)
    return seconds


def compare(
    make_plain: Callable[[], nn.Module],
    make_efficient: Callable[[], nn.Module],
    shape: tuple[int, int, int, int],
    num_rounds: int,
) -> dict[str, float]:
    """Memory and time of a training step of two models of the same weights.

    Args:
        make_plain, make_efficient: see step_peak_bytes.

    Returns:
        dict: "saved_mb", "peak_mb" and "seconds" of the plain model (seconds: the median), and "saved_ratio",
        "peak_ratio" and "time_ratio" of the efficient one to it (time_ratio: the median over rounds).
    """
    images = torch.randn(shape).to(memory_format=torch.channels_last)
    models = {"plain": make_plain(), "efficient": make_efficient()}
    seconds = seconds_of_steps(models, images, num_rounds)
    saved = {name: saved_bytes(model, images) for name, model in models.items()}
    peak = step_peak_bytes(make_plain, shape)
    return {
        "saved_mb": saved["plain"] / 1e6,
        "saved_ratio": saved["efficient"] / saved["plain"],
        "peak_mb": peak / 1e6,
        "peak_ratio": step_peak_bytes(make_efficient, shape) / peak,
        "seconds": median(seconds["plain"]),
        "time_ratio": median(b / a for a, b in zip(seconds["plain"], seconds["efficient"], strict=True)),
    }


@contextmanager
def _freed_at_once() -> Iterator[None]:
    """New processes give what they free back to the system: what is resident is in use, and no heap with holes."""
    name = "MALLOC_MMAP_THRESHOLD_"
    before = os.environ.get(name)
    os.environ[name] = str(64 * 1024)
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _step_peak_bytes(make_model: Callable[[], nn.Module], shape: tuple[int, int, int, int]) -> int:
    # kept out of the difference: threads, and the code that a first backward pass loads
    model = make_model()
    train_step(nn.Conv2d(shape[1], 8, 3), torch.randn(1, shape[1], 8, 8))
    images = torch.randn(shape).to(memory_format=torch.channels_last)
    before = _peak_rss_bytes()
    train_step(model, images)
    return _peak_rss_bytes() - before


def _peak_rss_bytes() -> int:
    # Linux only: getrusage, which others have, too, hands a parent's peak on to its children
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024
