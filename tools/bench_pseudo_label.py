"""Memory of planning and labelling over many list entries, with simulated pages and a simulated teacher."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import tempfile
from pathlib import Path

from dense_det.distillation.work_folder import write_json
from dense_det.marked_page import write_between
from dense_det.speed.long_list import POINTS, measure_memory, memory_table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "memory.md"
MARKS = "<!-- table: tools/bench_pseudo_label.py --write -->", "<!-- end of labelling -->"


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python tools/bench_pseudo_label.py --images 100000"
    )
    parser.add_argument("--images", type=int, default=1_000_000, metavar="N", help="list entries (default 1,000,000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rows to FILE")
    parser.add_argument("--write", action="store_true", help="put the table into docs/memory.md")
    args = parser.parse_args(argv)
    if args.images < POINTS:
        parser.error(f"--images must be at least {POINTS}, got {args.images}")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_memory(folder, args.images)
    table = memory_table(rows)
    print(table)
    if args.json:
        write_json(args.json, [{"verb": verb, "entries": number, "mib": mib} for verb, number, mib in rows])
    if args.write:
        write_between(PAGE, *MARKS, table)


if __name__ == "__main__":
    main()
