"""How long each part of detectors takes, from the file to the boxes, beside what the machine can do."""

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from dense_det.aligned_table import aligned_table
from dense_det.analysis.blame import Faults
from dense_det.analysis.machine import Limits, Probe, limits_of
from dense_det.analysis.network import PARTS, image_without_data
from dense_det.analysis.part_clock import PartClock, milliseconds
from dense_det.analysis.source import Source

# part -> its title, in the order in which they run
TITLES = {
    "decode": "decode",
    "resize": "resize",
    "prepare": "normalise, pad",
    **PARTS,
    "post": "post-processing",
}
# the parts of which the work is known before they run: regions of an image come as they come
COUNTED = ("bottom_up", "fpn", "head", "semantic")
# two rounds say nothing of a median; fewer are made only where there is no time for more
MIN_ROUNDS = 3


@dataclass
class Subject:
    """A detector to time.

    Attributes:
        model: in evaluation mode, on its device.
        source: the picture that it sees.
        costs: cost_rows.part_costs of the batch that the network gets, see `input_size`.
        dtype: of torch.autocast; None is float32 throughout.
        num_candidates: boxes that random weights send into suppression (see candidates.give_candidates); None: as
            many as the weights or the proposals give.
        times: milliseconds of each part in each round.
    """

    name: str
    model: nn.Module
    source: Source
    costs: dict = field(default_factory=dict)
    dtype: torch.dtype | None = None
    num_candidates: int | None = None
    times: list[dict[str, float]] = field(default_factory=list)

    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels of what the network gets: the picture, resized in its own aspect and padded."""
        height, width = self.source.resize(self.source.decode())["image"].shape[-2:]
        return tuple(image_without_data(self.model, (height, width)).shape[-2:])

    def round(self, device, batch: int) -> dict[str, float]:
        """Milliseconds of each part of one batch, every image of which is decoded and resized."""
        start = time.perf_counter()
        pictures = [self.source.decode() for _ in range(batch)]
        decoded = time.perf_counter()
        records = [self.source.resize(picture) for picture in pictures]
        resized = time.perf_counter()
        with PartClock(self.model, device) as clock:
            network = clock.milliseconds(lambda: self.detect(records, device))
        return {"decode": 1000 * (decoded - start), "resize": 1000 * (resized - decoded), **network}

    def detect(self, records: list[dict], device) -> list:
        autocast = torch.autocast(torch.device(device).type, dtype=self.dtype, enabled=self.dtype is not None)
        with torch.inference_mode(), autocast:
            return self.model(records)


def take_times(
    subjects: list[Subject],
    probes: dict[str, Probe],
    device,
    batch: int,
    seconds: float,
    faults: Faults,
    max_rounds: int = 100,
) -> list[dict[str, float]]:
    """Fill the `times` of the subjects in rounds: each subject and each probe in turns.

    The first round warms up and is not kept, unless it alone took `seconds`: what runs that long needs no warming up.

    Args:
        seconds: no round begins after so many, or, before MIN_ROUNDS are kept, after two and a half times as many.
        faults: is told of a subject that fails, by its name; the others go on without it.

    Returns:
        milliseconds of each probe in each round; none where no subject runs.
    """
    limits: list[dict[str, float]] = []
    running = list(subjects)
    began = time.monotonic()
    for number in range(max_rounds + 1):
        times = {}
        for subject in running:
            with faults.of(subject.name):
                times[subject.name] = subject.round(device, batch)
        running = [subject for subject in running if subject.name in times]
        if not running:
            break
        probed = {name: milliseconds(probe.run, device) for name, probe in probes.items()}
        passed = time.monotonic() - began
        if number == 0 and passed <= seconds:
            continue
        limits.append(probed)
        for subject in running:
            subject.times.append(times[subject.name])
        if passed > seconds * (1 if len(limits) >= MIN_ROUNDS else 2.5):
            break
    return limits


def latency_row(subject: Subject, probes: dict[str, Probe], limits: list[dict[str, float]], batch: int) -> dict:
    """Medians of a subject's times in milliseconds per batch.

    Returns:
        dict: "name", "rounds", "batch", "latency_ms" and "latency_p95_ms" of all, "network_ms" without decode and
        resize, "peak_gflops" and "peak_gbytes" (see machine.Limits, by medians of the same rounds), and "parts": of
        each "ms", "p95_ms", "percent" of the time, and where the work is known "gflops" a second, "percent_of_peak",
        "flop_per_byte" as eager torch moves them, and "percent_of_roof" (machine.Limits.roof).
    """
    peak = limits_of(probes, {name: float(np.median([row[name] for row in limits])) for name in probes})
    names = [part for part in TITLES if any(part in times for times in subject.times)]
    series = {part: [times.get(part, 0.0) for times in subject.times] for part in names}
    totals = [sum(times.values()) for times in subject.times]
    mean = float(np.mean(totals))
    parts = {
        part: {
            "ms": float(np.median(values)),
            "p95_ms": float(np.percentile(values, 95)),
            "percent": 100 * float(np.mean(values)) / mean,
            **_speed(subject, part, float(np.median(values)), peak),
        }
        for part, values in series.items()
    }
    network = [sum(ms for part, ms in times.items() if part not in ("decode", "resize")) for times in subject.times]
    return {
        "name": subject.name,
        "rounds": len(subject.times),
        "batch": batch,
        "latency_ms": float(np.median(totals)),
        "latency_p95_ms": float(np.percentile(totals, 95)),
        "network_ms": float(np.median(network)),
        "peak_gflops": peak.gflops,
        "peak_gbytes": peak.gbytes,
        "parts": parts,
    }


def latency_table(rows: list[dict]) -> str:
    """Rows of `latency_row`: the parts of each below its name, then the whole."""
    header = ["part", "ms", "p95", "% of time", "GFLOP/s", "% of peak", "FLOP/byte", "% of roof"]
    keys = ("gflops", "percent_of_peak", "flop_per_byte", "percent_of_roof")
    cells = []
    for row in rows:
        for part, values in row["parts"].items():
            speed = [values.get(key) for key in keys]
            cells.append(
                [f"{row['name']}: {TITLES[part]}", values["ms"], values["p95_ms"], f"{values['percent']:.1f}", *speed]
            )
        cells.append([f"{row['name']}: all", row["latency_ms"], row["latency_p95_ms"], "100.0", None, None, None, None])
    return aligned_table(header, cells)


def _speed(subject: Subject, part: str, ms: float, peak: Limits) -> dict[str, float]:
    gmacs = subject.costs.get(f"gmacs_{part}")
    if part not in COUNTED or not gmacs or not ms:
        return {}
    operations = 2e9 * gmacs
    num_bytes = subject.costs[f"traffic_{part}"] * (4 if subject.dtype is None else 2)
    gflops, intensity = operations / ms / 1e6, operations / num_bytes
    return {
        "gflops": gflops,
        "percent_of_peak": 100 * gflops / peak.gflops,
        "flop_per_byte": intensity,
        "percent_of_roof": 100 * gflops / peak.roof(intensity),
    }
