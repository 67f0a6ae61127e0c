"""One trained detector in all formats at hand, side by side: size, AP and time; see --help."""

import dense_det  # first: sets the process environment before torch is imported

# isort: split
import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from dense_det.atomic_file import atomic_file
from dense_det.config import load_cfg
from dense_det.deploy.benchmark import benchmark, benchmark_table
from dense_det.deploy.facts import build_facts
from dense_det.deploy.formats import exported_formats, torch_formats
from dense_det.deploy.images import images_in, some_of
from dense_det.engine.model import load_model
from dense_det.environment import cpu_name
from dense_det.evaluation.ground_truth import load_ground_truth
from dense_det.prediction.trained import find_trained
from dense_det.terminal import tell

EXAMPLE = """example:
  python tools/benchmark.py output/mine scans/ --labelled val.json images/ --json benchmark.json
The files that tools/export_model.py wrote beside the weights take part; those that are missing are named."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER", help="a training's OUTPUT_DIR, or zoo/NAME")
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder of images to time")
    parser.add_argument("--labelled", nargs=2, type=Path, metavar=("JSON", "IMAGES"),
                        help="COCO file and folder: AP of each format")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=50, metavar="N", help="images, one a round (default 50)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each engine (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    return parser


def compare(args) -> Iterator[str]:
    if min(args.rounds, args.threads) < 1:
        raise ValueError(f"--rounds and --threads are at least 1, got {args.rounds} and {args.threads}")
    result = measure(args)
    yield benchmark_table(result["formats"])
    yield f"{result['cpu']}, threads: {args.threads}, peak meanwhile {result['peak_gflops']:.0f} GFLOP/s"
    if args.json:
        with atomic_file(args.json) as file:
            json.dump(result, file, indent=1)


def measure(args) -> dict:
    torch.set_num_threads(args.threads)
    trained = find_trained(args.folder)
    images = some_of(images_in(args.images), args.rounds)
    truth = load_ground_truth(args.labelled[0]) if args.labelled else None
    files = [args.labelled[1] / image["file_name"] for image in truth.images] if truth else []
    opts = ["MODEL.WEIGHTS", str(trained.weights), "MODEL.DEVICE", "cpu", "MODEL.CHANNELS_LAST"]
    facts = build_facts(
        load_cfg(trained.config, [*opts, True]), trained.config, trained.thresholds, dense_det.__version__
    )
    formats = torch_formats(lambda nhwc: load_model(load_cfg(trained.config, [*opts, nhwc])), trained.weights, facts)
    formats += exported_formats(trained.weights, args.threads)
    # fewer images than rounds: they come again
    images = [images[k % len(images)] for k in range(args.rounds)]
    return {"cpu": cpu_name(), "threads": args.threads, **benchmark(formats, images, truth, files)}


if __name__ == "__main__":
    sys.exit(tell(compare(build_parser().parse_args())))
