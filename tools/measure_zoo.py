"""Export and measure the detectors in zoo/, and those that tools/make_zoo.py has trained in the same --out, anew, on
this machine, and write one table of them; see --help."""

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
from dense_det.zoo.shipping import SHIPPED, TABLE_ONLY
from dense_det.zoo.table import write_table

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = """examples:
  python tools/measure_zoo.py --out output/zoo
  python tools/measure_zoo.py mobilenetv2_idcards --out output/zoo --write
  python tools/measure_zoo.py --out output/zoo --times
In the end all that it measured takes turns, so that the times of rows compare. Nothing is trained."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="of these detectors (default: all)")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of all that is made")
    add("--list", type=Path, default=Path("configs/zoo.yaml"), metavar="YAML", help="default: configs/zoo.yaml")
    add("--times", action="store_true", help="of the files, sizes and times alone: the AP of each stays as it was")
    add("--write", action="store_true", help="put the figures into zoo/ and the table into README.md")
    return parser


def measure(args) -> Iterator[str]:
    entries = parse_zoo(read_yaml(args.list), args.list)
    with Steps(ROOT, args.out, lambda line: print(line, flush=True), num_cpus()) as steps:
        making = Making(args.out, steps, (), 1, missing_packages())
        sources, asked = making.sources(entries, SHIPPED), chosen(entries, args.names)
        if args.names and (lost := next((name for name in asked if name not in sources), None)):
            raise ValueError(
                f"{lost} has no weights in {SHIPPED} or {args.out}: tools/make_zoo.py {lost} --out {args.out} trains it"
            )
        failures, made = Failures(), {}
        for stale in making.measured.glob("*/row.json"):  # of another day
            stale.unlink()
        for name, entry in ((name, entry) for name, entry in asked.items() if name in sources):
            with failures:
                making.again(name, entry, *sources[name], judged=not args.times)
                made[name] = entry
        with failures:
            rows = making.together(made) if made else {}
            for name, row in rows.items() if args.write else ():
                folder = SHIPPED if entries[name].ship else SHIPPED / TABLE_ONLY
                write_json(folder / name / "row.json", row)
        page = Path("README.md") if args.write else None
        folders = [making.measured, SHIPPED, SHIPPED / TABLE_ONLY]
        yield f"\n{write_table(entries, folders, making.measured, page)}"
        failures.tell()


def main(argv=None) -> int:
    return tell(measure(build_parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
