"""How a detector's time grows with its pixels and with the images that it takes at once."""

import time
from statistics import median

import torch

from dense_det.aligned_table import aligned_table
from dense_det.analysis.complexity import count_macs
from dense_det.analysis.part_clock import milliseconds
from dense_det.analysis.part_latency import Subject

SIZES = (256, 384, 512, 768, 1024)
BATCHES = (1, 2, 4, 8, 16)
NUM_ROUNDS = 3

Cell = tuple[int, int]  # (side of a square input in pixels, images at once)


def sweep(subject: Subject, device: str, seconds: float) -> dict[Cell, float | None]:
    """Median milliseconds an image of every cell of SIZES and BATCHES, all cells in turns, forwards and backwards.

    A round that warms up chooses the cells: single images first, then by their pixels, as many as fit into
    1 / (NUM_ROUNDS + 1) of `seconds` by what the cell before took for its pixels. The others are None.
    """
    cells = sorted(
        ((size, batch) for size in SIZES for batch in BATCHES), key=lambda cell: (cell[1] > 1, _pixels(cell))
    )
    runs = {cell: _run(subject, device, *cell) for cell in cells}
    milliseconds(runs[cells[0]], device)
    chosen, spent, unit = [], 0.0, 0.0
    for cell in cells:
        if chosen and spent + unit * _pixels(cell) > 1000 * seconds / (NUM_ROUNDS + 1):
            continue
        taken = milliseconds(runs[cell], device)
        chosen.append(cell)
        spent, unit = spent + taken, taken / _pixels(cell)
    times: dict[Cell, list[float]] = {cell: [] for cell in cells}
    began = time.monotonic()
    for number in range(NUM_ROUNDS):
        for cell in chosen[:: -1 if number % 2 else 1]:
            # the machine may have become slower since
            if time.monotonic() - began < 2 * seconds or not times[cell]:
                times[cell].append(milliseconds(runs[cell], device) / cell[1])
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


def _pixels(cell: Cell) -> int:
    size, batch = cell
    return size * size * batch


def _run(subject: Subject, device: str, size: int, batch: int):
    image = torch.randint(0, 256, (3, size, size), dtype=torch.uint8)
    records = [{"image": image, "height": size, "width": size}] * batch
    return lambda: subject.detect(records, device)
