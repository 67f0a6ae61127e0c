"""Times of a detector in torch and exported, on one thread: see --help."""

import dense_det  # first: sets the process environment before torch is imported

# isort: split
import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch
from detectron2.data.detection_utils import read_image
from detectron2.engine import DefaultPredictor

from dense_det.analysis.latency import interleaved_ms, median_ratio
from dense_det.config import load_cfg
from dense_det.deploy.facts import build_facts
from dense_det.deploy.trial import export_trials, scatter_scores
from dense_det.deploy.parity import found_by
from dense_det.deploy.runtime import Detector

ROOT = Path(__file__).parents[1]
NORMS = [word for key in ("BOTTOM_UP", "FPN", "RETINANET") for word in (f"MODEL.{key}.NORM", "BN")]


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description="Times of a detector in torch and exported, from pixels to boxes, then from a JPEG of 1600x1200, "
        "in torch by Detectron2's DefaultPredictor. Weights are random, about 1000 candidates pass; norms are BN, "
        "which an export folds into convolutions.",
        epilog="example: python tools/bench_export.py --rounds 9",
    )
    config = ROOT / "configs" / "retina_snet.yaml"
    parser.add_argument("config", nargs="?", type=Path, default=config, metavar="CONFIG", help="default: SNet's")
    parser.add_argument("--size", type=int, default=512, metavar="N", help="shorter edge (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="turns of each (default: %(default)s)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with TemporaryDirectory() as folder:
        bench(args, Path(folder))


def bench(args, folder: Path) -> None:
    picture = cv2.resize(cv2.imread(str(ROOT / "docs" / "demo.jpg")), (1600, 1200))
    photo, weights = folder / "photo.jpg", folder / "random.pth"
    cv2.imwrite(str(photo), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    pixels = cv2.resize(picture, (args.size, args.size))
    opts = ["MODEL.RETINANET.NUM_CLASSES", 1, "MODEL.DEVICE", "cpu", "INPUT.MIN_SIZE_TEST", args.size]
    cfg = load_cfg(args.config, [*NORMS, *opts])
    predictor = DefaultPredictor(cfg)
    scatter_scores(predictor.model, pixels)
    torch.save(predictor.model.state_dict(), weights)
    cfg.MODEL.WEIGHTS = str(weights)
    facts = build_facts(cfg, args.config, ["thing"], dense_det.__version__)
    files = export_trials(predictor.model, facts, folder, [pixels])
    detectors = {name: Detector(file, threads=1) for name, file in files.items()}

    calls = {"torch": lambda: found_by(predictor.model, pixels)}
    calls |= {name: lambda run=detector.run: run(pixels[None]) for name, detector in detectors.items()}
    show(f"network and post-processing, {args.size}x{args.size}", calls, args.rounds)
    calls = {"DefaultPredictor": lambda: predictor(read_image(str(photo), "BGR"))}
    calls |= {name: lambda predict=detector.predict: predict(photo) for name, detector in detectors.items()}
    scaled = {name: Detector(file, threads=1, scaled_decode=True) for name, file in files.items()}
    calls |= {f"{name}, scaled decode": lambda predict=d.predict: predict(photo) for name, d in scaled.items()}
    show("JPEG of 1600x1200 to boxes", calls, args.rounds)


def show(title: str, calls: dict, rounds: int) -> None:
    times = interleaved_ms(list(calls.values()), rounds)
    print(f"\n| {title}, one thread | best, ms | times as fast |\n|---|---|---|", flush=True)
    for column, name in enumerate(calls):
        best = min(row[column] for row in times)
        print(f"| {name} | {best:.1f} | {median_ratio(times, 0, column):.2f} |", flush=True)


if __name__ == "__main__":
    main()
