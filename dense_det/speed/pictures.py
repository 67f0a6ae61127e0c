"""JPEG files: decoded and resized, and all the way to boxes."""

from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.data.detection_utils import read_image as read_as_detectron2
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.engine import DefaultPredictor

from dense_det.analysis.sample_page import ENLARGED, sample_jpeg
from dense_det.data.jpeg import reduced_jpeg
from dense_det.data.mapper import read_image
from dense_det.deploy.facts import build_facts
from dense_det.deploy.runtime import Detector
from dense_det.deploy.trial import export_trials, scatter_scores
from dense_det.distillation.teacher_stages import stages_of
from dense_det.distillation.views import View, look
from dense_det.speed.networks import CONFIGS, LIGHT, R50, R50_CONFIG, load_one_class
from dense_det.speed.race import Goal, Race

MAX_SIZE = 1333  # of the longer edge
THEIRS, EXACT, SCALED = "Detectron2", "the same pixels", "scaled decode"
SNET = "SNet"


def reading_race(folder: Path, size: tuple[int, int], edge: int) -> Race:
    """From a JPEG of `size` (width, height) to pixels with a shorter side of `edge`."""
    path = write_jpeg(folder / f"{size[0]}.jpg", size)
    resize, view = ResizeShortestEdge(edge, MAX_SIZE), View(edge)

    def theirs():
        pixels = read_as_detectron2(path, "RGB")
        return resize.get_transform(pixels).apply_image(pixels)

    calls = {THEIRS: theirs, EXACT: lambda: look(read_image(path, "RGB"), view, MAX_SIZE)[0]}
    goals = [Goal(THEIRS, EXACT, 2.5)]
    if reduced_jpeg(path.read_bytes(), edge) is not None:  # large enough to be decoded smaller
        calls[SCALED] = lambda: look(reduced_jpeg(path.read_bytes(), edge), view, MAX_SIZE)[0]
        goals.append(Goal(THEIRS, SCALED, 4.0))
    return Race(f"decode and resize, {size[0]} x {size[1]} to {edge}", calls, tuple(goals))


def boxes_race(folder: Path, size: tuple[int, int], edge: int, threads: int) -> Race:
    """From a JPEG of `size` (width, height) to boxes, shown with a shorter side of `edge`."""
    path = write_jpeg(folder / "page.jpg", size)
    r50 = _predictor(R50_CONFIG, (), edge, path)
    config, words, _ = LIGHT["SNet (P4-P7)"]
    snet = _predictor(config, words, edge, path)
    calls = {
        f"{R50} by DefaultPredictor": lambda: r50(read_as_detectron2(path, "BGR")),
        f"{SNET} by DefaultPredictor": lambda: snet(read_as_detectron2(path, "RGB")),
        f"{SNET} as a teacher": stages_of(snet.model, edge)[1].calls(str(path))[0],
    }
    weights = folder / "snet.pth"
    torch.save(snet.model.state_dict(), weights)
    cfg = load_one_class(config, (*words, "MODEL.WEIGHTS", str(weights), *_sizes(edge)))
    shown, _ = look(read_image(path, "RGB"), View(edge), MAX_SIZE)
    files = export_trials(snet.model, build_facts(cfg, CONFIGS / config, ["thing"], "timed only"), folder, [shown])
    for name, file in files.items():
        for scaled in (False, True):
            detector = Detector(file, threads, scaled)
            calls[f"{SNET} in {name}{f', {SCALED}' if scaled else ''}"] = _predict(detector, path)
    last = f"{SNET} in OpenVINO int8, {SCALED}"
    goals = (
        Goal(f"{SNET} by DefaultPredictor", f"{SNET} as a teacher", 2),
        Goal(f"{SNET} by DefaultPredictor", last, 5),
        Goal(f"{R50} by DefaultPredictor", last, 40),
    )
    return Race(f"JPEG of {size[0]} x {size[1]} to boxes, at {edge}", calls, goals)


def write_jpeg(path: Path, size: tuple[int, int]) -> Path:
    """A page of `size` (width, height)."""
    path.write_bytes(sample_jpeg((size[1] / ENLARGED, size[0] / ENLARGED)))
    return path


def _predictor(config: str, words: tuple[str, ...], edge: int, path: Path) -> DefaultPredictor:
    """Of a RetinaNet that finds as many candidates in the file as a trained one in a full page."""
    torch.manual_seed(0)
    predictor = DefaultPredictor(load_one_class(config, (*words, *_sizes(edge))))
    shown, _ = look(read_image(path, predictor.input_format), View(edge), MAX_SIZE)
    scatter_scores(predictor.model, np.ascontiguousarray(shown))
    return predictor


def _sizes(edge: int) -> tuple[str, ...]:
    return "INPUT.MIN_SIZE_TEST", str(edge), "INPUT.MAX_SIZE_TEST", str(MAX_SIZE)


def _predict(detector: Detector, path: Path):
    return lambda: detector.predict(path)


def use_threads(number: int) -> None:
    """Of torch and OpenCV."""
    torch.set_num_threads(number)
    cv2.setNumThreads(number)
