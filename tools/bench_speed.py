"""The speed goals, measured: light detectors against RetinaNet-R50, decoding, exported files, training; see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from dense_det.distillation.work_folder import write_json
from dense_det.environment import code_version, cpu_name, num_cpus
from dense_det.speed.machines import keep_result, race_tables, read_results, summary, write_pages
from dense_det.speed.networks import network_race
from dense_det.speed.pictures import boxes_race, reading_race, use_threads
from dense_det.speed.race import Race, run_race
from dense_det.speed.training import precision_race, training_race
from dense_det.terminal import tell

ROOT = Path(__file__).resolve().parents[1]
SIZE = 512
EXAMPLE = "example: python tools/bench_speed.py --rounds 9 --threads 1 --json speed.json"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--size", type=int, default=SIZE, metavar="PX", help="shorter edge of an input (default %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns of each contender (default 7)")
    parser.add_argument("--threads", type=int, default=num_cpus(), metavar="N", help="(default: one a core)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rows to FILE")
    parser.add_argument("--write", action="store_true",
                        help="keep it in docs/speed.json, write docs/speed.md and README.md of all in it")  # fmt: skip
    parser.add_argument("--pages", action="store_true", help="measure nothing, write the pages of docs/speed.json")
    return parser


def bench(args) -> Iterator[str]:
    if args.pages:
        write_pages(ROOT)
        return
    if min(args.size, args.rounds, args.threads) < 1:
        raise ValueError(f"--size, --rounds and --threads are at least 1: {args.size}, {args.rounds}, {args.threads}")
    if args.write:
        if args.size != SIZE:
            raise ValueError(f"--write is for {SIZE} px: leave out --size, or give --json FILE instead")
        read_results(ROOT)  # minutes before it is written
    use_threads(args.threads)
    result = {"cpu": cpu_name(), "threads": args.threads, "torch": torch.__version__.split("+")[0]}
    result |= {"code": code_version(), "rows": []}
    here = result | {"name": "here"}
    with tempfile.TemporaryDirectory() as folder:
        for race in races(args, Path(folder)):
            result["rows"].append(run_race(race, args.rounds))
            yield "\n" + next(race_tables([here | {"rows": result["rows"][-1:]}]))
    yield f"\n{summary([here])}"
    if args.json:
        write_json(args.json, result)
    if args.write:
        keep_result(ROOT, result)


def races(args, folder: Path) -> Iterator[Race]:
    yield network_race(args.size)
    for size in ((1280, 960), (3264, 2448)):
        yield reading_race(folder, size, args.size)
    yield boxes_race(folder, (1600, 1200), args.size, args.threads)
    yield training_race(320, 8, args.threads)
    yield precision_race(320, 8, args.threads)


if __name__ == "__main__":
    sys.exit(tell(bench(build_parser().parse_args())))
