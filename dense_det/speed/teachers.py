"""CPU time of a teacher's stages, from a file to boxes, in Detectron2's way and in ours."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from detectron2.modeling import build_model

from dense_det.analysis.candidates import give_candidates
from dense_det.analysis.latency import interleaved_ms
from dense_det.distillation.teacher_stages import stages_of
from dense_det.speed.networks import load_one_class
from dense_det.speed.pictures import write_jpeg

CANDIDATES = 500  # of a view: what a page's first labels come to


def measure_teacher(config: str, words, size, edge: int, rounds: int) -> tuple[list[list[float]], float]:
    """CPU milliseconds (rounds, 12): whole and stages of Detectron2's way, then of ours; and the mean difference of
    their views in grey levels.

    Args:
        config, words: see load_one_class; a RetinaNet.
        size: (width, height) of the JPEG, in pixels.
        edge: short edge of the view.
    """
    torch.manual_seed(0)
    model = build_model(load_one_class(config, words)).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = str(write_jpeg(Path(folder) / "page.jpg", size))
        theirs, ours = stages_of(model, edge)
        views = [way.resize(way.decode(path)) for way in (theirs, ours)]
        image = torch.from_numpy(views[0].transpose(2, 0, 1).copy())
        give_candidates(model, [{"image": image}], CANDIDATES)
        theirs, ours = stages_of(model, edge)
        times = interleaved_ms(theirs.calls(path) + ours.calls(path), rounds, warmup=1, clock=time.process_time)
    return times, float(np.abs(views[0].astype(float) - views[1]).mean())
