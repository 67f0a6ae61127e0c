"""Train, evaluate, export and measure the detectors of configs/zoo.yaml, and write one table of them; see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from dense_det.config_file import read_yaml
from dense_det.distillation.work_folder import write_json
from dense_det.environment import num_cpus
from dense_det.steps import Failures, Steps
from dense_det.terminal import tell
from dense_det.zoo.entries import chosen, parse_zoo
from dense_det.zoo.making import Making, missing_packages
from dense_det.zoo.shipping import SHIPPED, TABLE_ONLY, ship
from dense_det.zoo.table import write_table

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = """examples:
  python tools/make_zoo.py --out output/zoo
  python tools/make_zoo.py snet_idcards --out output/zoo --seeds 0 1 2 --ship --write
Stopped, the same command goes on; a finished row is not made again."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="of the list (default: all)")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of all that is made")
    add("--list", type=Path, default=Path("configs/zoo.yaml"), metavar="YAML", help="default: configs/zoo.yaml")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="S", help="a training each (default 0 1 2)")
    add("--workers", type=int, default=1, metavar="N", help="trainings side by side (default 1)")
    add("--ship", type=Path, nargs="?", const=SHIPPED, metavar="DIR",
        help="write DIR/NAME of small detectors, to give away, and rows of the others (default: zoo/)")  # fmt: skip
    add("--write", action="store_true", help="put the table of all finished and all shipped rows into README.md")
    return parser


def make(args) -> Iterator[str]:
    if args.workers < 1 or len(set(args.seeds)) < len(args.seeds):
        raise ValueError(f"--workers is at least 1 and --seeds are different, got {args.workers} and {args.seeds}")
    entries = parse_zoo(read_yaml(args.list), args.list)
    wanted = chosen(entries, args.names)
    with Steps(ROOT, args.out, lambda line: print(line, flush=True), num_cpus()) as steps:
        making = Making(args.out, steps, tuple(args.seeds), args.workers, missing_packages())
        making.train(wanted)
        failures = Failures()
        for name, entry in wanted.items():
            with failures:
                row = making.row(name, entry)
                if args.ship and entry.ship:
                    yield f"{ship(row, entry, args.out / name, args.ship, steps)}"
                elif args.ship:
                    write_json(args.ship / TABLE_ONLY / name / "row.json", row)
        folders = [args.out, SHIPPED, SHIPPED / TABLE_ONLY]
        yield f"\n{write_table(entries, folders, args.out, Path('README.md') if args.write else None)}"
        failures.tell()


def main(argv=None) -> int:
    return tell(make(build_parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
