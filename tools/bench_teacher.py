"""A teacher's CPU time for a JPEG against Detectron2's DefaultPredictor (PIL, network as trained): see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from detectron2.modeling import build_model
from PIL import Image

from dense_det.analysis.candidates import give_candidates
from dense_det.analysis.latency import interleaved_ms, median_ratio
from dense_det.config import load_cfg
from dense_det.distillation.teacher_stages import NAMES, stages_of

CONFIGS = Path(__file__).parents[1] / "configs"
CANDIDATES = 500  # of a view: what a page's first labels come to
BN = [word for key in ("BOTTOM_UP", "FPN", "RETINANET") for word in (f"MODEL.{key}.NORM", "BN")]
ROWS = [("retina_snet", []), ("retina_snet", BN), ("retina_vovnet_19_slim", [])]


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description="CPU ms from a JPEG of quality 90 to the boxes of a RetinaNet with one class, on one thread, "
        "Detectron2's way and a teacher's in turns; the split; and the mean difference of the resized pixels."
    )
    parser.add_argument("--size", nargs=2, type=int, default=[1280, 960], metavar=("W", "H"), help="of the JPEG")
    parser.add_argument("--edge", type=int, default=512, metavar="PX", help="the view's short edge (default 512)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="timed images of each (default 7)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(f"| Detectron2's / ours, ms | whole | {' | '.join(NAMES)} | ratio | grey levels apart |")
    print("|---" * (len(NAMES) + 4) + "|")
    for name, options in ROWS:
        times, grey = measure(CONFIGS / f"{name}.yaml", options, args.size, args.edge, args.rounds)
        medians = [f"{statistics.median(column):.1f}" for column in zip(*times, strict=True)]
        half = len(medians) // 2
        cells = [f"{theirs} / {ours}" for theirs, ours in zip(medians[:half], medians[half:], strict=True)]
        ratio = median_ratio(times, 0, half)
        print(f"| {name}{' with BN' if options else ''} | {' | '.join(cells)} | {ratio:.2f} | {grey:.4f} |", flush=True)


def measure(config: Path, options: list, size, edge: int, rounds: int) -> tuple[list[list[float]], float]:
    """CPU milliseconds (rounds, 12): whole and stages of Detectron2's way, then of ours; and the mean difference of
    their views in grey levels."""
    torch.manual_seed(0)
    model = build_model(load_cfg(config, ["MODEL.DEVICE", "cpu", "MODEL.RETINANET.NUM_CLASSES", 1, *options])).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/page.jpg"
        page(*size).save(path, quality=90)
        theirs, ours = stages_of(model, edge)
        views = [way.resize(way.decode(path)) for way in (theirs, ours)]
        image = torch.from_numpy(views[0].transpose(2, 0, 1).copy())
        give_candidates(model, [{"image": image}], CANDIDATES)
        theirs, ours = stages_of(model, edge)
        times = interleaved_ms(theirs.calls(path) + ours.calls(path), rounds, warmup=1, clock=time.process_time)
    return times, float(np.abs(views[0].astype(float) - views[1]).mean())


def page(width: int, height: int) -> Image.Image:
    """A photograph's smoothness and a scan's sharp edges."""
    rough = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    pixels = np.array(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))
    pixels[height // 3 : height // 2 : 6, width // 8 : -width // 8] = 0
    return Image.fromarray(pixels)


if __name__ == "__main__":
    main()
