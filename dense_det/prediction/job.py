"""From a detector and a heap of images to files of what it found: planned, looked at and written, each resumable."""

import argparse
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dense_det.distillation.commands import plan, run
from dense_det.distillation.onnx_teacher import open_onnx_teacher
from dense_det.distillation.rule import Rule
from dense_det.distillation.run_settings import RunSettings
from dense_det.distillation.work_folder import WorkFolder
from dense_det.prediction.found import write_found
from dense_det.prediction.trained import PLAIN_THRESHOLD, Trained, find_trained


@dataclass(frozen=True)
class Prediction:
    """Args:
    model: the OUTPUT_DIR of a training, or a file: .onnx, .xml.
    sources: see pseudo_label's plan; files with the same bytes are looked at once.
    out: the folder to write.
    load_cfg, load_model: of the config and engine rooms, which this one may not import.
    threshold: least score; None is each class's own of the validation, or PLAIN_THRESHOLD.
    pictures, crops: what to write beside found.json and found.csv.
    workers: processes; None is one a core.
    """

    model: str
    sources: list[str]
    out: Path
    load_cfg: Callable
    load_model: Callable
    threshold: float | None = None
    pictures: bool = False
    crops: bool = False
    workers: int | None = None

    def lines(self) -> Iterator[str]:
        """Do it; what a person wants to know.

        Raises:
            ValueError, OSError, ImportError: what the user typed, or files that cannot be read or written.
        """
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"--threshold must lie between 0 and 1, got {self.threshold}")
        trained = None if self.model.endswith((".onnx", ".xml")) else find_trained(self.model)
        work = WorkFolder(self.out / "work")
        ours = [self.out / name for name in ("work", "pictures", "crops")]
        yield from self._verb(plan, work.root, *self.sources, "--skip", *ours)
        teacher = ["--onnx", self.model]
        if trained:
            teacher = build_words(self.load_cfg(trained.config), trained)
        workers = self.workers or os.cpu_count() or 1
        limits = (trained or open_onnx_teacher(self.model, PLAIN_THRESHOLD)).thresholds
        least = self.threshold or min(limits.values(), default=PLAIN_THRESHOLD)
        words = ["--floor", find_floor(work, least), "--num-workers", workers, "--max-failure-rate", 1]
        yield from _all_but_the_last(self._verb(run, work.root, *teacher, *words))
        classes = work.read_manifest().classes
        thresholds = [self.threshold or limits.get(name, PLAIN_THRESHOLD) for name in classes]
        rule = Rule(np.array(thresholds, np.float32), ignore_share=1.0)
        counts = write_found(self.out, work, rule, self.pictures, self.crops)
        failures = work.join_failures(work.read_plan().num_shards)
        yield f"{counts.pop('')} images: " + ", ".join(f"{name} {number}" for name, number in counts.items())
        if failures:
            yield f"{failures} images could not be read: {work.failures_path}"
        yield f"{self.out}: found.json, found.csv" + ", pictures/" * self.pictures + ", crops/" * self.crops

    def _verb(self, verb, *words) -> Iterator[str]:
        parser = argparse.ArgumentParser()
        parser.set_defaults(load_cfg=self.load_cfg, load_model=self.load_model)
        verb.add_arguments(parser)
        return verb.main(parser.parse_args([str(word) for word in words]))


def find_floor(work: WorkFolder, least: float) -> float:
    """The least score that is stored: lower than asked for, so that other thresholds may follow; the folder's own, if
    it was begun already.

    Raises:
        ValueError: a threshold, of which `least` is the lowest, below what was stored.
    """
    if not work.manifest_path.exists():
        return min(RunSettings.floor, least)
    stored = work.read_manifest().floor
    if stored > least:
        raise ValueError(
            f"{work.root} holds only what has a score of {stored} or more, and a threshold of {least} asks for more: "
            "give another --out (all images are looked at again)"
        )
    return stored


def build_words(cfg, trained: Trained) -> list:
    """Of pseudo_label's run: the detector as it was judged, in the size of testing and with as many boxes an image."""
    is_fcos = cfg.MODEL.PROPOSAL_GENERATOR.NAME == "DenseDetFCOS"
    most = cfg.MODEL.FCOS.POST_NMS_TOPK_TEST if is_fcos else cfg.TEST.DETECTIONS_PER_IMAGE
    words = ["--teacher", trained.config, trained.weights, "--views", cfg.INPUT.MIN_SIZE_TEST or "own"]
    return [*words, "--classes", *trained.thresholds] + (["--detections", most] if most > 0 else [])


def _all_but_the_last(lines: Iterator[str]) -> Iterator[str]:
    """As they come; the last one names the next verb of pseudo_label."""
    return (before for before, _ in itertools.pairwise(lines))
