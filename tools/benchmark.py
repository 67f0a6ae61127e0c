"""Trained detectors in all formats at hand, side by side: size, AP and time; see --help."""

import dense_det  # first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from dense_det.config import load_cfg
from dense_det.deploy.benchmark import Lineup, benchmark, benchmark_table
from dense_det.deploy.facts import build_facts
from dense_det.deploy.formats import Format, exported_formats, torch_formats
from dense_det.deploy.images import images_in, images_of, some_readable
from dense_det.deploy.labelled import load_labelled
from dense_det.distillation.work_folder import write_json
from dense_det.engine.model import load_model
from dense_det.environment import cpu_name
from dense_det.prediction.trained import find_trained
from dense_det.terminal import output_file, tell

EXAMPLE = """examples:
  python tools/benchmark.py output/mine scans/ --labelled val.json images/ --json benchmark.json
  python tools/benchmark.py output/mine scans/ --also zoo/snet_docpages scans/ --also zoo/peleenet_docpages scans/
The files that tools/export_model.py wrote beside the weights take part; those that are missing are named."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="RUN_FOLDER", help="a training's OUTPUT_DIR, or zoo/NAME")
    add("images", type=Path, metavar="IMAGES", help="folder of images to time")
    add("--labelled", nargs=2, type=Path, metavar=("JSON", "IMAGES"), help="COCO file and folder: AP of RUN_FOLDER")
    add("--also", nargs=2, type=Path, action="append", default=[], metavar=("RUN_FOLDER", "IMAGES"),
        help="another detector, which takes turns with the first (may be repeated)")  # fmt: skip
    add("--rounds", type=int, default=50, metavar="N", help="images, one a round (default 50)")
    add("--threads", type=int, default=1, metavar="N", help="of each engine (default 1)")
    add("--trust-pickle", action="store_true", help="torch-export's .pt2 files, too, which may run any code")
    add("--json", type=output_file, metavar="FILE", help="write all figures to FILE")
    return parser


def compare(args) -> Iterator[str]:
    if min(args.rounds, args.threads) < 1:
        raise ValueError(f"--rounds and --threads are at least 1, got {args.rounds} and {args.threads}")
    torch.set_num_threads(args.threads)
    result = {"cpu": cpu_name(), "threads": args.threads, **measure(args)}
    yield from (f"{each['folder']}\n{benchmark_table(each['formats'])}\n" for each in result["detectors"])
    yield f"{cpu_name()}, threads: {args.threads}, peak meanwhile {result['peak_gflops']:.0f} GFLOP/s"
    if args.json:
        write_json(args.json, result)


def measure(args) -> dict:
    found = [(folder, images_in(images)) for folder, images in ((args.folder, args.images), *args.also)]
    truth = load_labelled(args.labelled[0], find_trained(args.folder).thresholds) if args.labelled else None
    truth_files = images_of(truth, args.labelled[1]) if truth else ()
    lineups = [Lineup(formats_of(folder, args), some_readable(files, args.rounds)) for folder, files in found]
    lineups[0] = replace(lineups[0], truth=truth, truth_files=truth_files)
    result = benchmark(lineups, args.rounds)
    rows = zip(found, result.pop("lineups"), strict=True)
    return result | {"detectors": [{"folder": str(folder), "formats": own} for (folder, _), own in rows]}


def formats_of(folder: Path, args) -> list[Format]:
    run = find_trained(folder)
    opts = ["MODEL.WEIGHTS", str(run.weights), "MODEL.DEVICE", "cpu", "MODEL.CHANNELS_LAST"]
    facts = build_facts(load_cfg(run.config, [*opts, True]), run.config, run.thresholds, dense_det.__version__)
    formats = torch_formats(lambda nhwc: load_model(load_cfg(run.config, [*opts, nhwc])), run.weights, facts)
    return formats + exported_formats(run.weights, facts, args.threads, args.trust_pickle)


if __name__ == "__main__":
    sys.exit(tell(compare(build_parser().parse_args())))
