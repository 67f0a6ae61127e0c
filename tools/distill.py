"""Run a whole data distillation: teacher, pseudo-labels, students with and without them, one table; see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from dense_det.config import config_digests, initial_weights
from dense_det.config_file import read_yaml
from dense_det.distillation.distil import Distillation, report_name
from dense_det.distillation.ingredients import ConfigDoors
from dense_det.distillation.recipe import parse_recipe
from dense_det.distillation.table_file import time_words, write_table
from dense_det.environment import num_cpus
from dense_det.marked_page import around, write_between
from dense_det.steps import Steps
from dense_det.terminal import tell

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = """examples:
  python tools/distill.py configs/distill/idcards.yaml
  python tools/distill.py configs/distill/idcards.yaml --ways "three views fused"   # the others may follow
  python tools/distill.py my_recipe.yaml --out output/mine --rounds 3 --seeds 0
Stopped, the same command goes on."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, metavar="YAML", help="data, teacher, student, labels (configs/distill/)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of all that is made (default: output/<recipe>)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N",
                        help="in further rounds the best student is the teacher (default 1)")  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="S", help="trainings of the student (default: recipe's)"
    )
    parser.add_argument("--ways", nargs="+", metavar="NAME",
                        help="only these labels of the recipe; others that are finished stay in the table")  # fmt: skip
    parser.add_argument("--workers", type=int, default=num_cpus(), metavar="N",
                        help="processes that label, and trainings side by side (default: one a core)")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="put table and minutes into README.md, at their place")
    return parser


def distil(args) -> Iterator[str]:
    if min(args.rounds, args.workers) < 1:
        raise ValueError(f"--rounds and --workers are at least 1, got {args.rounds} and {args.workers}")
    tree = read_yaml(args.recipe)
    whole = parse_recipe(tree | ({"seeds": args.seeds} if args.seeds else {}), args.recipe)
    recipe = whole.only(args.ways) if args.ways else whole
    page, name = ROOT / "README.md", os.path.relpath(args.recipe, ROOT)
    marks = f"<!-- table: tools/distill.py {name} --write -->", f"<!-- end of {name} -->"
    if args.write:
        if args.ways or args.seeds or args.rounds > 1:
            raise ValueError("--write is for the whole recipe: leave out --ways, --seeds and --rounds")
        around(page, *marks)  # hours before it is written
    out = args.out or Path("output") / args.recipe.stem
    with Steps(ROOT, out, lambda line: print(line, flush=True), num_cpus()) as steps:
        job = Distillation(recipe, out, steps, args.workers, ConfigDoors(config_digests, initial_weights), whole)
        for results in job.rounds(args.rounds):
            table, times = job.table(results), time_words(steps.seconds, args.workers, steps.num_untimed)
            write_table(out / "table.md", recipe.title, table, steps.seconds, times)
            yield f"\n{table}\n"
    if args.write:
        write_between(page, *marks, f"{table}\n\n{times}")
    yield f"all of it: {out} (table.md, steps.json, logs/, round-1/{report_name(recipe.first)})"


def main(argv=None) -> int:
    return tell(distil(build_parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
