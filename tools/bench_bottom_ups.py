"""What the detectors of configs/zoo.yaml will cost once deployed, untrained and timed in turns; see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from dense_det.config_file import read_yaml
from dense_det.distillation.work_folder import write_json
from dense_det.environment import cpu_name
from dense_det.marked_page import write_between
from dense_det.speed.bottom_ups import bottom_ups_table, build_contender, time_contenders
from dense_det.speed.pictures import use_threads
from dense_det.terminal import tell
from dense_det.zoo.entries import parse_zoo, with_one_config

ROOT = Path(__file__).resolve().parents[1]
MARKS = "<!-- table: tools/bench_bottom_ups.py --write -->", "<!-- end of the bottom-ups -->"
EXAMPLE = """examples:
  python tools/bench_bottom_ups.py --write
  python tools/bench_bottom_ups.py snet_idcards mobilenetv2_idcards --threads 2 --json costs.json
Weights are random, 1,000 candidates an image go into suppression."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="of the list, with one config (default: all with its first config)")
    add("--list", type=Path, default=Path("configs/zoo.yaml"), metavar="YAML", help="default: configs/zoo.yaml")
    add("--classes", type=int, default=5, metavar="N", help="of every head (default 5, those of ID documents)")
    add("--rounds", type=int, default=15, metavar="N", help="turns of each (default 15)")
    add("--threads", type=int, default=1, metavar="N", help="of each engine (default 1)")
    add("--json", type=Path, metavar="FILE", help="write all rows to FILE")
    add("--write", action="store_true", help="put the table into README.md")
    return parser


def bench(args) -> Iterator[str]:
    numbers = args.classes, args.rounds, args.threads
    if min(numbers) < 1:
        raise ValueError(f"--classes, --rounds and --threads are at least 1: {', '.join(map(str, numbers))}")
    entries = with_one_config(parse_zoo(read_yaml(args.list), args.list), args.names)
    use_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        contenders = []
        for name, entry in entries.items():
            yield f"{name} ..."
            contenders.append(
                build_contender(name, entry.config, entry.opts, args.classes, args.threads, Path(folder) / name)
            )
        result = {"cpu": cpu_name(), "threads": args.threads, "torch": torch.__version__.split("+")[0]}
        result |= time_contenders(contenders, args.rounds, Path(folder))
    table = bottom_ups_table(result)
    yield f"\n{table}"
    if args.json:
        write_json(args.json, result)
    if args.write:
        write_between(ROOT / "README.md", *MARKS, table)


def main(argv=None) -> int:
    return tell(bench(build_parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
