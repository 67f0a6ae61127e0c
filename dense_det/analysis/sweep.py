"""How a detector's time grows with its pixels and with the images that it takes at once."""

import math
import time
from functools import partial
from statistics import median

import torch

from dense_det.aligned_table import aligned_table
from dense_det.analysis.blame import Faults
from dense_det.analysis.candidates import give_candidates, set_threshold, threshold_of
from dense_det.analysis.complexity import count_macs
from dense_det.analysis.part_clock import milliseconds
from dense_det.analysis.part_latency import Subject

SIZES = (256, 384, 512, 768, 1024)
BATCHES = (1, 2, 4, 8, 16)
NUM_ROUNDS = 3

Cell = tuple[int, int]  # (side of a square input in pixels, images at once)


def sweep(subject: Subject, device: str, seconds: float, faults: Faults) -> dict[Cell, float | None]:
    """Median milliseconds an image of every cell of SIZES and BATCHES, all cells in turns, forwards and backwards.

    A round that warms up chooses the cells: single images first, then by their pixels, as many as fit into
    1 / (NUM_ROUNDS + 1) of `seconds` by what the cell before took for its pixels. The others are None, and so are those
    that fail, of which `faults` is told; where one fails in that round, none with as many pixels is tried. One that
    takes more than twice that long there runs again, and only the second time counts.

    Random weights get a threshold for each size, so that as many boxes go into suppression at all of them (see
    candidates.give_candidates); fitting takes another run of a single image, which is not in `seconds`.
    """
    cells = sorted(
        ((size, batch) for size in SIZES for batch in BATCHES), key=lambda cell: (cell[1] > 1, _pixels(cell))
    )
    run = _Run(subject, device)
    chosen, spent, unit, too_many = [], 0.0, 0.0, math.inf
    for cell in cells:
        too_long = chosen and spent + unit * _pixels(cell) > 1000 * seconds / (NUM_ROUNDS + 1)
        if too_long or _pixels(cell) >= too_many:
            continue
        with faults.of(_title(subject, cell)):
            run.prepare(cell[0])
            if not chosen:
                milliseconds(partial(run, *cell), device)  # the first of all warms up
            taken = milliseconds(partial(run, *cell), device)
            if chosen and taken > 2 * unit * _pixels(cell):  # torch.compile compiles again, as for the first batch
                taken = milliseconds(partial(run, *cell), device)
            chosen.append(cell)
            spent, unit = spent + taken, taken / _pixels(cell)
        if cell not in chosen:
            too_many = _pixels(cell)
    times: dict[Cell, list[float]] = {cell: [] for cell in cells}
    began = time.monotonic()
    for number in range(NUM_ROUNDS):
        for cell in chosen[:: -1 if number % 2 else 1]:
            # the machine may have become slower since
            if time.monotonic() - began < 2 * seconds or not times[cell]:
                with faults.of(_title(subject, cell)):
                    times[cell].append(milliseconds(partial(run, *cell), device) / cell[1])
    return {cell: median(values) if values else None for cell, values in times.items()}


def sweep_rows(times: dict[Cell, float | None], model) -> list[dict]:
    """A row for each size: "size", "gmacs" of `model`, which has no data, and "ms" an image by batch."""
    return [
        {
            "size": size,
            "gmacs": count_macs(model, size) / 1e9,
            "ms": {str(batch): times[size, batch] for batch in BATCHES},
        }
        for size in SIZES
    ]


def sweep_table(rows: list[dict]) -> str:
    """Rows of `sweep_rows`; "x" says how many times the first row's."""
    header = ["input, px", "pixels", "GMACs", "x", "time x", *(f"ms, batch {batch}" for batch in BATCHES)]
    first = rows[0]
    cells = []
    for row in rows:
        ms, ms_of_first = (each["ms"][str(BATCHES[0])] for each in (row, first))
        cells.append(
            [
                f"{row['size']} x {row['size']}",
                f"x {(row['size'] / first['size']) ** 2:.2f}",
                row["gmacs"],
                f"x {row['gmacs'] / first['gmacs']:.2f}",
                None if ms is None or ms_of_first is None else f"x {ms / ms_of_first:.2f}",
                *row["ms"].values(),
            ]
        )
    return aligned_table(header, cells)


def _title(subject: Subject, cell: Cell) -> str:
    size, batch = cell
    return f"{subject.name} at {size} x {size} px and batch {batch}"


def _pixels(cell: Cell) -> int:
    size, batch = cell
    return size * size * batch


class _Run:
    """Detects on so many times the same square image, with the threshold that was fitted to it."""

    def __init__(self, subject: Subject, device: str):
        self.subject, self.device = subject, device
        self.records: dict[int, dict] = {}
        self.thresholds: dict[int, float] = {}

    def prepare(self, size: int) -> None:
        if size in self.records:
            return
        image = torch.randint(0, 256, (3, size, size), dtype=torch.uint8)
        self.records[size] = {"image": image, "height": size, "width": size}
        if self.subject.num_candidates is not None:
            give_candidates(self.subject.model, [self.records[size]])
            self.thresholds[size] = threshold_of(self.subject.model)

    def __call__(self, size: int, batch: int) -> None:
        if size in self.thresholds:
            set_threshold(self.subject.model, self.thresholds[size])
        self.subject.detect([self.records[size]] * batch, self.device)
