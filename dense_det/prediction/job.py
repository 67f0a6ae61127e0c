"""From a detector and a heap of images to files of what it found: listed, looked at and written, each resumable."""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dense_det.distillation.manifest import Manifest
from dense_det.distillation.onnx_teacher import open_onnx_teacher
from dense_det.distillation.processes import num_cores, run_workers
from dense_det.distillation.progress import Outlook
from dense_det.distillation.rule import Rule
from dense_det.distillation.run_settings import Detectron2Doors, RunSettings, open_labeller
from dense_det.distillation.share import Share
from dense_det.distillation.views import OWN_SIZE, View
from dense_det.distillation.work_folder import Plan, WorkFolder
from dense_det.prediction.drawings import Drawings
from dense_det.prediction.found import require_free, write_found
from dense_det.prediction.listing import count_failed_copies, in_words, list_images, some_reasons
from dense_det.prediction.trained import PLAIN_THRESHOLD, Trained, find_trained

# what differs in a manifest -> what a person would call it
_CHANGES = {
    "classes": "other classes",
    "class_tables": "another order of classes",
    "teachers": "other weights or another config",
    "views": "another size of testing",
    "detections_per_image": "another number of boxes an image",
}


@dataclass(frozen=True)
class Prediction:
    """Args:
    model: the OUTPUT_DIR of a training, or a file: .onnx, .xml.
    sources: see pseudo_label's plan; files with the same bytes are looked at once, and written one by one.
    out: the folder to write.
    load_cfg, load_model: of the config and engine rooms, which this one may not import.
    threshold: least score; None is each class's own of the validation, or PLAIN_THRESHOLD.
    pictures, crops: what to write beside found.json and found.csv.
    workers: images at a time, on one thread each; None is one a core.
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
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--num-workers must be at least 1, got {self.workers}")
        work = WorkFolder(self.out / "work")
        require_free(self.out, work)
        settings, limits = self._detector(work)
        least = self.threshold or min(limits.values(), default=PLAIN_THRESHOLD)
        opener = functools.partial(open_labeller, replace(settings, floor=find_floor(work, least)))
        # the detector before the images: what is wrong with it is said at once, and nothing is left behind
        manifest = opener().manifest()
        require_same_detector(work, manifest)
        plan = list_images(work, self.sources, [self.out / name for name in ("pictures", "crops")])
        yield from in_words(plan, work)
        drawings = Drawings(self.out, work, self.pictures, self.crops)
        drawings.require_free()
        work.settle_manifest(manifest)
        yield from _look(work, plan, opener, self.workers or num_cores())
        thresholds = [self.threshold or limits.get(name, PLAIN_THRESHOLD) for name in manifest.classes]
        rule = Rule(np.array(thresholds, np.float32), ignore_share=1.0)
        counts = write_found(self.out, work, rule)
        yield f"{counts.pop('')} images: " + ", ".join(f"{name} {number}" for name, number in counts.items())
        if (removed := drawings.settle(rule)) and not (self.pictures or self.crops):
            yield f"{removed} pictures and crops that showed other boxes are removed: --pictures and --crops draw anew"
        lost = list(drawings.draw(rule))
        if failures := work.join_failures(plan):
            copies = count_failed_copies(work, plan)
            also = f", nor have {copies} more with the bytes of one of them" if copies else ""
            yield f"{failures} images have no answer{also}; {work.failures_path} says why:"
            yield from some_reasons(f for shard in range(plan.num_shards) for f in work.images.read_failures(shard))
        if lost:
            yield f"{len(lost)} images cannot be read any more, so they are not drawn (found.csv has their rows):"
            yield from some_reasons(lost)
        yield f"{self.out}: found.json, found.csv" + ", pictures/" * self.pictures + ", crops/" * self.crops

    def _detector(self, work: WorkFolder) -> tuple[RunSettings, dict[str, float]]:
        """How to open it, and the thresholds of its classes."""
        settings = RunSettings(str(work.root), (), (), Detectron2Doors(self.load_cfg, self.load_model))
        if self.model.endswith((".onnx", ".xml")):
            teacher = open_onnx_teacher(self.model, PLAIN_THRESHOLD)
            most = teacher.detections_per_image or settings.detections_per_image
            settings = replace(settings, onnx=(self.model,), classes=teacher.classes, detections_per_image=most)
            return settings, teacher.thresholds
        if self.model.endswith(".pt2"):
            raise ValueError(
                f"{self.model}: torch may unpickle what is in a .pt2, so it is not run here: export the detector as "
                ".onnx or .xml (tools/export_model.py --format), or give its training's folder"
            )
        trained = find_trained(self.model)
        return build_settings(self.load_cfg(trained.config), trained, settings), trained.thresholds


def build_settings(cfg, trained: Trained, settings: RunSettings) -> RunSettings:
    """For the detector as it was judged: in the size of testing and with as many boxes an image."""
    is_fcos = cfg.MODEL.PROPOSAL_GENERATOR.NAME == "DenseDetFCOS"
    most = cfg.MODEL.FCOS.POST_NMS_TOPK_TEST if is_fcos else cfg.TEST.DETECTIONS_PER_IMAGE
    return replace(
        settings,
        detectors=((str(trained.config), str(trained.weights)),),
        classes=tuple(trained.thresholds),
        views=(View(cfg.INPUT.MIN_SIZE_TEST or OWN_SIZE),),
        detections_per_image=most if most > 0 else settings.detections_per_image,
    )


def find_floor(work: WorkFolder, least: float) -> float:
    """The least score that is stored: lower than asked for, so that other thresholds may follow; the folder's own, if
    it was begun already.

    Raises:
        ValueError: a threshold, of which `least` is the lowest, below what was stored.
    """
    begun = _begun(work)
    if begun is None:
        return min(RunSettings.floor, least)
    if begun.floor > least:
        raise ValueError(
            f"{work.root} holds only what has a score of {begun.floor} or more, and a threshold of {least} asks for "
            "more: give another --out (all images are looked at again)"
        )
    return begun.floor


def require_same_detector(work: WorkFolder, manifest: Manifest) -> None:
    """Raises ValueError where the folder was begun with another one."""
    begun = _begun(work)
    changed = begun.differences(manifest) if begun else []
    if not changed:
        return
    before, now = begun.teachers[0]["name"], manifest.teachers[0]["name"]
    renamed = {"teachers": f"{before}, now {now}"} if before != now else {}
    keys = [line.partition(":")[0] for line in changed]
    words = [(_CHANGES | renamed).get(key, key) for key in keys]
    raise ValueError(
        f"{work.root.parent} was begun with another detector, or with this one as it was before ({', '.join(words)}): "
        "give another --out"
    )


def _begun(work: WorkFolder) -> Manifest | None:
    """What the detector of an earlier run was; None before the first."""
    if not work.manifest_path.exists():
        return None
    try:
        return work.read_manifest()
    except ValueError as error:
        raise ValueError(f"give another --out, this one cannot be gone on with: {error}") from error


def _look(work: WorkFolder, plan: Plan, opener: Callable, workers: int) -> Iterator[str]:
    """Look at all images that nobody has looked at yet; how far it is, whenever that changes."""
    everything = Share(0, 1)
    tasks, told = everything.tasks(plan), len(work.images.finished())
    if told == len(tasks):
        return
    outlook = Outlook(work, tasks, min(workers, len(tasks) - told))
    # any number may fail; a disk that is gone ends the work, and the same command goes on
    for _ in run_workers(work, opener, everything, workers, rate=math.inf):
        done = work.images.finished()
        if len(done) != told:
            told = len(done)
            seen = sum(task.num_images(plan) for task in tasks if task.shard in done)
            yield f"looked at {seen} of {plan.num_images} images{outlook}"
