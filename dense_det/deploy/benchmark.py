"""What each format of a detector is worth: size, AP, and time, all of them in turns."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dense_det.aligned_table import aligned_table
from dense_det.analysis.latency import interleaved_ms, median_ratio
from dense_det.analysis.machine import limits_of, make_probes
from dense_det.deploy.formats import Format
from dense_det.deploy.parity import average_precisions
from dense_det.evaluation.ground_truth import GroundTruth


@dataclass(frozen=True)
class Lineup:
    """A detector in its formats.

    Attributes:
        formats: those without a detector are named, not measured; the first has one.
        images: files, one a round; where they are fewer than rounds, they come again.
        truth: to compute AP on; None computes none.
        truth_files: of its images, in its order.
    """

    formats: list[Format]
    images: Sequence[Path]
    truth: GroundTruth | None = None
    truth_files: Sequence[Path] = ()


def benchmark(lineups: list[Lineup], rounds: int) -> dict:
    """Every format of every detector, from pixels in the network's size to boxes; reading and resizing are not timed.

    What is compared takes turns, image by image, with the machine's own limits among it: a loaded machine slows all of
    them alike, and shows in "peak_gflops".

    Returns:
        {"rounds", "peak_gflops", "lineups": for each a list, of each format's {"name", "file", "megabytes", "ap"
        (percent), "ms" (median), "ms_p95", "images_per_s", "speedup" (over the first of the lineup; the median over
        rounds), "missing"}}; what was not measured is None.
    """
    running = [(lineup, each) for lineup in lineups for each in lineup.formats if each.detector]
    pixels = {id(lineup): _pixels(lineup, rounds) for lineup in lineups}
    probes = make_probes("cpu")
    calls = [_turns(each.detector, pixels[id(lineup)]) for lineup, each in running]
    times = interleaved_ms(calls + [probe.run for probe in probes.values()], rounds=rounds)
    medians = np.median(times, axis=0)
    peak = limits_of(probes, dict(zip(probes, medians[len(running) :], strict=True))).gflops
    places, made = itertools.count(), []
    for lineup in lineups:
        taken = [next(places) if each.detector else None for each in lineup.formats]
        rows = [_row(each, times, place, taken[0]) for each, place in zip(lineup.formats, taken, strict=True)]
        made.append([row | {"ap": _ap(each, lineup)} for each, row in zip(lineup.formats, rows, strict=True)])
    return {"rounds": rounds, "peak_gflops": float(peak), "lineups": made}


def benchmark_table(rows: list[dict]) -> str:
    """A lineup's rows of `benchmark` as a Markdown table; what is missing says so in the first column."""
    header = ["format", "MB", "AP", "ms", "p95", "images/s", "x"]
    cells = []
    for row in rows:
        name = f"{row['name']} ({row['missing']})" if row["missing"] else row["name"]
        factor = None if row["speedup"] is None else f"{row['speedup']:.2f}"
        ap = None if row["ap"] is None else f"{row['ap']:.1f}"
        cells.append([name, row["megabytes"], ap, row["ms"], row["ms_p95"], row["images_per_s"], factor])
    return aligned_table(header, cells)


def _pixels(lineup: Lineup, rounds: int) -> list[np.ndarray]:
    return [lineup.formats[0].detector.read(path)[0][None] for path in lineup.images[:rounds]]


def _turns(detector, pixels: list[np.ndarray]):
    images = itertools.cycle(pixels)
    return lambda: detector.run(next(images))


def _row(each: Format, times: list[list[float]], place: int | None, first: int) -> dict:
    """A format's figures, from columns of `times`."""
    row = dict.fromkeys(("ms", "ms_p95", "images_per_s", "speedup"))
    if place is not None:
        own = np.array(times)[:, place]
        row = {
            "ms": float(np.median(own)),
            "ms_p95": float(np.percentile(own, 95)),
            "images_per_s": float(1000 / own.mean()),
            "speedup": median_ratio(times, first, place),
        }
    return {"name": each.name, "file": each.file.name, "megabytes": each.megabytes, **row, "missing": each.missing}


def _ap(each: Format, lineup: Lineup) -> float | None:
    if not each.detector or lineup.truth is None:
        return None
    run = each.detector.run
    return average_precisions(lambda pixels: run(pixels[None]), each.detector, lineup.truth_files, lineup.truth)["AP"]
