"""What was counted and measured of several detectors, as tables, JSON and figures."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from dense_det.analysis.blame import Faults, blamed
from dense_det.analysis.complexity import detector_row, markdown_table
from dense_det.analysis.cost_figures import draw_figures
from dense_det.analysis.cost_rows import cost_row, cost_table, module_rows, module_table, part_costs
from dense_det.analysis.machine import chip_name, make_probes
from dense_det.analysis.network import NUM_ROIS
from dense_det.analysis.part_latency import Subject, latency_row, latency_table, take_times
from dense_det.analysis.process_throughput import (
    SECONDS_TO_COMPILE,
    SECONDS_TO_START,
    images_per_second,
    settings_for,
    throughput_table,
)
from dense_det.analysis.sweep import sweep, sweep_rows, sweep_table
from dense_det.atomic_file import atomic_file
from dense_det.suggest import unknown

COUNTER = "torch.utils.flop_counter"
COSTS_NOTE = (
    "Millions of numbers. activations: what convolutions and linear layers give; MAC: what they read and write, "
    "weights included (ShuffleNetV2, equation 1); CIO: without weights (HarDNet, CSPNet); traffic: what all operations "
    "read and write; kept in training: for the backward pass of one image without objects, by networks (ROI heads on "
    "as many regions as a step samples at most) and by the losses of dense and semantic heads, not by those of an RPN "
    "and ROI heads, which judge a few hundred samples."
)
UNTRAINED_NOTE = " -: at this size a batch norm gets one value a channel, and cannot train; a larger --size can."
LATENCY_NOTE = (
    "Milliseconds a batch of {batch}: median and 95th percentile of {rounds} rounds in turns, warm, torch {torch}, "
    "{dtype}, {device}: {chip}, {threads} threads{candidates}. The picture resized and padded, as counted here: "
    "{sizes}. Peak in the same rounds: {peak_gflops:.0f} GFLOP/s (the faster of a matrix product and a 3x3 "
    "convolution), {peak_gbytes:.1f} GB/s (copy). A multiply-add is two FLOP; roof: what the peaks allow at that many "
    "FLOP a byte."
)


class Report:
    """Gathers tables in `tables` and everything else in `content`; `faults` has those that could not be measured.

    Args:
        size: (height, width) of the input, in pixels.
        show: is given each table's text once it is there.
        command: what makes all of this again; for what is written.
        device: to measure on, see machine.usable_device.
    """

    def __init__(self, size, show: Callable[[str], None], command: str, device: str = "cpu"):
        self.size, self.show, self.device = list(size), show, device
        self.faults = Faults()
        self.tables: list[str] = []
        self.rows: list[dict] = []
        self.content: dict = {"command": command, "size": self.size, "counter": f"{COUNTER} / 2", "rows": self.rows}

    def count(self, models: dict[str, nn.Module], with_costs: bool, depth: int | None) -> None:
        """Tables of what models without data cost: their parts, `with_costs` the whole, and modules down to `depth`.

        Raises:
            ValueError: one that cannot be counted at this size.
        """
        row_of = cost_row if with_costs else detector_row
        self.models = models
        for name, model in models.items():
            with blamed(name):
                self.rows.append(row_of(name, model, self.size))
        rois = f"masks of {NUM_ROIS} boxes" if any("gmacs_masks" in row for row in self.rows) else "one image"
        note = f"Input {self.size[0]}x{self.size[1]}, {rois}; multiply-adds by {COUNTER}."
        self._add(f"{markdown_table(self.rows)}\n\n{note}")
        if with_costs:
            untrained = UNTRAINED_NOTE if any(row["kept_mb"] is None for row in self.rows) else ""
            self._add(f"{cost_table(self.rows)}\n\n{COSTS_NOTE}{untrained}")
        if depth:
            modules = {name: module_rows(model, self.size, depth) for name, model in models.items()}
            self.content["modules"] = modules
            for name, rows in modules.items():
                self._add(f"{name} at {self.size[0]}x{self.size[1]}:\n\n{module_table(rows)}")

    def measure(self, subjects: list[Subject], batch: int, seconds: float) -> None:
        """The table of how long each part takes, and the times in the rows; who fails has none.

        Operations are counted at the size that each network gets, the row's "input_size": a picture keeps its aspect.
        """
        if not subjects:
            return
        sizes = {subject.name: subject.input_size() for subject in subjects}
        for subject in subjects:
            subject.costs = part_costs(self.models[subject.name], sizes[subject.name], batch)
        probes = make_probes(self.device, subjects[0].dtype or torch.float32)
        limits = take_times(subjects, probes, self.device, batch, seconds, self.faults)
        subjects = self._sound(subjects)
        if not subjects:
            return
        rows = {subject.name: latency_row(subject, probes, limits, batch) for subject in subjects}
        for counted in self.rows:
            if row := rows.get(counted["name"]):
                counted.update(row, input_size=list(sizes[counted["name"]]))
        sizes, rows = {name: sizes[name] for name in rows}, list(rows.values())
        machine = {
            "device": self.device,
            "chip": chip_name(self.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__.split("+")[0],
            "dtype": str(subjects[0].dtype or torch.float32).removeprefix("torch."),
            "peak_gflops": rows[0]["peak_gflops"],
            "peak_gbytes": rows[0]["peak_gbytes"],
        }
        self.content["machine"] = machine
        random = {subject.num_candidates for subject in subjects} - {None}
        candidates = f"; {max(random)} candidates for suppression where weights are random" if random else ""
        told = {"batch": batch, "rounds": rows[0]["rounds"], "candidates": candidates, "sizes": _sizes(sizes)}
        note = LATENCY_NOTE.format(**machine, **told)
        self._add(f"{latency_table(rows)}\n\n{note}")

    def sweep(self, subjects: list[Subject], seconds: float) -> None:
        """A table for each detector over sizes and batches, in about `seconds` each."""
        for subject in self._sound(subjects):
            times = sweep(subject, self.device, seconds, self.faults)
            rows = sweep_rows(times, self.models[subject.name])
            self.content.setdefault("sweep", {})[subject.name] = rows
            self._add(
                f"{subject.name}, milliseconds an image without decode and resize, {torch.get_num_threads()} threads "
                f"(-: did not fit into {seconds:.0f} s, or not run):\n\n{sweep_table(rows)}"
            )

    def compare_processes(
        self, make_runs: dict[str, Callable], num_cores: int, seconds: float, compiled: bool = False
    ) -> None:
        """A table of processes against threads; half of `seconds` for each detector.

        Args:
            make_runs: see process_throughput.images_per_second.
            compiled: by torch.compile, for which the processes have longer.
        """
        settings = settings_for(num_cores)
        sound = {name: make_run for name, make_run in make_runs.items() if name not in self.faults.reasons}
        if not sound:
            return
        patience = SECONDS_TO_COMPILE if compiled else SECONDS_TO_START
        rates = {name: images_per_second(make_run, settings, seconds / 2, patience) for name, make_run in sound.items()}
        self.content["images_per_second"] = {
            name: {f"{processes} x {threads}": rate for (processes, threads), rate in row.items()}
            for name, row in rates.items()
        }
        size = f"{self.size[0]}x{self.size[1]}"
        note = (
            f"Processes x threads of each, batch 1, the picture within {size} in its own aspect, decode and resize "
            "included (-: no answer)."
        )
        self._add(f"{throughput_table(rates)}\n\n{note}")

    def add_results(self, path: Path) -> None:
        """Put the AP of `path`, {"name": AP, ...}, into the rows that were counted.

        Raises:
            ValueError: another kind of file, an AP that is no finite number, or a name that is no row.
        """
        try:
            results = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: not JSON: {error}") from error
        if not isinstance(results, dict) or not all(map(_is_ap, results.values())):
            raise ValueError(f'{path}: expected {{"name in the tables": AP, ...}} with finite numbers')
        rows = {row["name"]: row for row in self.rows}
        for name, ap in results.items():
            if name not in rows:
                raise ValueError(f"{path}: {unknown('config among those analysed', name, rows)}")
            rows[name]["ap"] = ap

    def write(self, json_file: Path | None, markdown_file: Path | None, figures: Path | None) -> None:
        """Write what is asked for; `figures` is a folder, and needs the rows to be counted `with_costs`.

        Where some were measured, the figures are of these.
        """
        if json_file:
            with atomic_file(json_file) as file:
                json.dump(self.content, file, indent=2)
        if markdown_file:
            with atomic_file(markdown_file) as file:
                head = f"`{self.content['command']}` wrote this, on {chip_name(self.device)}."
                file.write("\n\n".join([head, *self.tables]) + "\n")
        if figures:
            timed = [row for row in self.rows if "parts" in row]
            files = draw_figures(figures, timed or self.rows)
            self.show(f"\nFigures: {', '.join(map(str, files))}")

    def _sound(self, subjects: list[Subject]) -> list[Subject]:
        return [subject for subject in subjects if subject.name not in self.faults.reasons]

    def _add(self, table: str) -> None:
        self.show(("\n" if self.tables else "") + table)
        self.tables.append(table)


def _is_ap(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _sizes(sizes: dict[str, tuple[int, int]]) -> str:
    """{"a": (320, 320), "b": (320, 352)} -> "a 320x320, b 320x352"; "320x320" where all are the same."""
    texts = {name: f"{height}x{width}" for name, (height, width) in sizes.items()}
    different = set(texts.values())
    return different.pop() if len(different) == 1 else ", ".join(f"{name} {text}" for name, text in texts.items())
