"""What each format of a detector is worth: size, AP, and time, all of them in turns."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dense_det.aligned_table import aligned_table
from dense_det.analysis.latency import interleaved_ms, median_ratio
from dense_det.analysis.machine import limits_of, make_probes
from dense_det.deploy.formats import Format
from dense_det.deploy.parity import average_precisions
from dense_det.evaluation.ground_truth import GroundTruth


def benchmark(
    formats: list[Format], images: Sequence[Path], truth: GroundTruth | None = None, truth_files: Sequence[Path] = ()
) -> dict:
    """Every format on every image, from pixels in the network's size to boxes; reading and resizing are not timed.

    What is compared takes turns, image by image, with the machine's own limits among it: a loaded machine slows all of
    them alike, and shows in "peak_gflops".

    Args:
        formats: those without a detector are named, not measured; the first has one.
        images: files, one a round.
        truth: to compute AP on; None computes none.
        truth_files: of its images, in its order.

    Returns:
        {"rounds", "peak_gflops", "formats": [{"name", "file", "megabytes", "ap" (percent), "ms" (median), "ms_p95",
        "images_per_s", "speedup" (over the first; the median over rounds), "missing"}]}; what was not measured is None.
    """
    running = [each for each in formats if each.detector]
    pixels = [running[0].detector.read(path)[0][None] for path in images]
    probes = make_probes("cpu")
    calls = [_turns(each.detector, pixels) for each in running] + [probe.run for probe in probes.values()]
    times = interleaved_ms(calls, rounds=len(pixels))
    medians = np.median(times, axis=0)
    rows = []
    for each in formats:
        row = dict.fromkeys(("ap", "ms", "ms_p95", "images_per_s", "speedup"))
        if each.detector:
            place = running.index(each)
            row = _figures(times, place) | {"ap": _ap(each, truth, truth_files)}
        rows.append(
            {"name": each.name, "file": each.file.name, "megabytes": each.megabytes, **row, "missing": each.missing}
        )
    peak = limits_of(probes, dict(zip(probes, medians[len(running) :], strict=True))).gflops
    return {"rounds": len(pixels), "peak_gflops": float(peak), "formats": rows}


def benchmark_table(rows: list[dict]) -> str:
    """Rows of `benchmark` as a Markdown table; what is missing says so in the first column."""
    header = ["format", "MB", "AP", "ms", "p95", "images/s", "x"]
    cells = []
    for row in rows:
        name = f"{row['name']} ({row['missing']})" if row["missing"] else row["name"]
        factor = None if row["speedup"] is None else f"{row['speedup']:.2f}"
        ap = None if row["ap"] is None else f"{row['ap']:.1f}"
        cells.append([name, row["megabytes"], ap, row["ms"], row["ms_p95"], row["images_per_s"], factor])
    return aligned_table(header, cells)


def _turns(detector, pixels: list[np.ndarray]):
    images = itertools.cycle(pixels)
    return lambda: detector.run(next(images))


def _figures(times: list[list[float]], place: int) -> dict:
    own = np.array(times)[:, place]
    return {
        "ms": float(np.median(own)),
        "ms_p95": float(np.percentile(own, 95)),
        "images_per_s": float(1000 / own.mean()),
        "speedup": median_ratio(times, 0, place),
    }


def _ap(each: Format, truth: GroundTruth | None, files: Sequence[Path]) -> float | None:
    if truth is None:
        return None
    return average_precisions(lambda pixels: each.detector.run(pixels[None]), each.detector, files, truth)["AP"]
