"""JPEG files: decoded and resized, and all the way to boxes."""

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.data.detection_utils import read_image as read_as_detectron2
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.engine import DefaultPredictor
from PIL import Image

from dense_det.analysis.candidates import give_candidates, threshold_of
from dense_det.analysis.sample_page import ENLARGED, sample_jpeg
from dense_det.config import load_cfg
from dense_det.data.jpeg import reduced_jpeg
from dense_det.data.mapper import read_image
from dense_det.data.pdf.document import sha256_of
from dense_det.deploy.facts import build_facts
from dense_det.deploy.runtime import Detector
from dense_det.deploy.trial import export_trials
from dense_det.distillation.image_reader import ImageReader
from dense_det.distillation.lanes import Lanes
from dense_det.distillation.run_settings import Detectron2Doors, RunSettings, open_labeller
from dense_det.distillation.views import View, look
from dense_det.distillation.work_folder import InputImage
from dense_det.engine.model import load_model
from dense_det.speed.apart import Apart
from dense_det.speed.networks import CONFIGS, LIGHT, ONE_CLASS, R50, R50_CONFIG, load_one_class
from dense_det.speed.race import Goal, Race

MAX_SIZE = 1333  # of the longer edge
THEIRS, EXACT, SCALED = "Detectron2", "the same pixels", "scaled decode"
PREPARED = ", the process prepared"  # of Detectron2: otherwise it has a process as it starts
SNET = "SNet"
LABELS = "as a teacher"
TEACHER = f"{SNET} {LABELS}"
FILES = 12  # that a contender takes from JPEG to boxes in a call: several may be on their way at once


def reading_race(folder: Path, size: tuple[int, int], edge: int) -> Race:
    """From a JPEG of `size` (width, height) to pixels with a shorter side of `edge`."""
    path = write_jpeg(folder / f"{size[0]}.jpg", size)
    view = View(edge)
    calls = {
        THEIRS: Apart(functools.partial(read_plainly, path, edge), prepared=False),
        f"{THEIRS}{PREPARED}": read_plainly(path, edge),
        EXACT: lambda: look(read_image(path, "RGB"), view, MAX_SIZE)[0],
    }
    goals = [Goal(THEIRS, EXACT, 2.5)]
    if reduced_jpeg(path.read_bytes(), edge) is not None:  # large enough to be decoded smaller
        calls[SCALED] = lambda: look(reduced_jpeg(path.read_bytes(), edge), view, MAX_SIZE)[0]
        goals.append(Goal(THEIRS, SCALED, 4.0))
    return Race(f"decode and resize, {size[0]} x {size[1]} to {edge}", calls, tuple(goals))


def boxes_race(folder: Path, size: tuple[int, int], edge: int, threads: int) -> Race:
    """From a JPEG of `size` (width, height) to boxes, shown with a shorter side of `edge`, in one process each."""
    path = write_jpeg(folder / "page.jpg", size)
    config, words, _ = LIGHT["SNet (P4-P7)"]
    snet = build_predictor(config, words, edge, path)
    base, r50 = f"{SNET} by DefaultPredictor", f"{R50} by DefaultPredictor"
    calls = {
        r50: Apart(functools.partial(predict_plainly, R50_CONFIG, (), edge, path, threads), prepared=False),
        base: Apart(functools.partial(predict_plainly, config, words, edge, path, threads), prepared=False),
        f"{base}{PREPARED}": predict_plainly(config, words, edge, path, threads),
    }
    weights = folder / "snet.pth"
    torch.save(snet.model.state_dict(), weights)
    cfg = load_one_class(config, (*words, "MODEL.WEIGHTS", str(weights), *_sizes(edge)))
    shown, _ = look(read_image(path, "RGB"), View(edge), MAX_SIZE)
    files = export_trials(snet.model, build_facts(cfg, CONFIGS / config, ["thing"], "timed only"), folder, [shown])
    for name, file in files.items():
        for scaled in (False, True):
            detector = Detector(file, threads, scaled)
            calls[_in_engine(name, scaled)] = _predict(detector, [path] * FILES)
    teacher = RunSettings(
        work="",
        detectors=((str(CONFIGS / config), str(weights)),),
        onnx=(),
        doors=Detectron2Doors(load_cfg, load_model),
        opts=(*ONE_CLASS, *words),
        classes=("thing",),
        views=(View(edge),),
        floor=threshold_of(snet.model),
    )
    labelling = {TEACHER: teacher}
    for name, scaled in (("onnxruntime", False), ("OpenVINO int8", True)):
        if name in files:
            exported = replace(teacher, detectors=(), onnx=(str(files[name]),), scaled_decode=scaled)
            labelling[f"{_in_engine(name, scaled)}, {LABELS}"] = exported
    for name, settings in labelling.items():
        calls[name] = Apart(functools.partial(label, settings, path, threads), prepared=True)
    last = _in_engine("OpenVINO int8", True)
    goals = (
        Goal(base, TEACHER, 2),
        Goal(base, f"{_in_engine('onnxruntime')}, {LABELS}", 2),
        Goal(base, f"{last}, {LABELS}", 5),
        Goal(r50, last, 40),
    )
    return Race(f"JPEG of {size[0]} x {size[1]} to boxes, at {edge}", calls, goals, FILES)


def _in_engine(name: str, scaled: bool = False) -> str:
    return f"{SNET} in {name}{f', {SCALED}' if scaled else ''}"


def read_plainly(path: Path, edge: int) -> Callable[[], np.ndarray]:
    """A call of Detectron2's `read_image` and `ResizeShortestEdge`."""
    resize = ResizeShortestEdge(edge, MAX_SIZE)

    def run():
        pixels = read_as_detectron2(path, "RGB")
        return resize.get_transform(pixels).apply_image(pixels)

    return run


def predict_plainly(config: str, words: tuple[str, ...], edge: int, path: Path, threads: int) -> Callable[[], list]:
    """A call of Detectron2's loop over FILES files; what DefaultPredictor gives for each."""
    torch.set_num_threads(threads)
    predictor = build_predictor(config, words, edge, path)
    return lambda: [predictor(read_as_detectron2(path, "BGR")) for _ in range(FILES)]


def label(settings: RunSettings, path: Path, lanes: int) -> Callable[[], list]:
    """A call that labels FILES files as a process of `tools/pseudo_label.py run` does, in so many lanes;
    ImagePredictions of each."""
    torch.set_num_threads(1)
    labellers = [open_labeller(settings) for _ in range(lanes)]
    looking = Lanes(labellers, ImageReader(labellers[0].least_edge))
    with Image.open(path) as image:
        width, height = image.size
    files = [InputImage(n, str(path), None, None, sha256_of(path), width, height) for n in range(FILES)]
    return lambda: [found() for _, found in looking.label_all(files)]


def write_jpeg(path: Path, size: tuple[int, int]) -> Path:
    """A page of `size` (width, height)."""
    path.write_bytes(sample_jpeg((size[1] / ENLARGED, size[0] / ENLARGED)))
    return path


def build_predictor(config: str, words: tuple[str, ...], edge: int, path: Path) -> DefaultPredictor:
    """Of a RetinaNet that finds as many candidates in the file as a trained one in a full page."""
    torch.manual_seed(0)
    predictor = DefaultPredictor(load_one_class(config, (*words, *_sizes(edge))))
    shown, _ = look(read_image(path, predictor.input_format), View(edge), MAX_SIZE)
    image = torch.from_numpy(np.ascontiguousarray(shown.transpose(2, 0, 1)))
    give_candidates(predictor.model, [{"image": image, "height": shown.shape[0], "width": shown.shape[1]}])
    return predictor


def _sizes(edge: int) -> tuple[str, ...]:
    return "INPUT.MIN_SIZE_TEST", str(edge), "INPUT.MAX_SIZE_TEST", str(MAX_SIZE)


def _predict(detector: Detector, paths: list[Path]):
    return lambda: list(detector.predict_all(paths))


def use_threads(number: int) -> None:
    """Of torch and OpenCV; and so many cores for all threads of this process, where the system can say so."""
    torch.set_num_threads(number)
    cv2.setNumThreads(number)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])
