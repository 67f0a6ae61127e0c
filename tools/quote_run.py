"""What a run of tools/train_net.py found, for a page: its APs, classes, machine and time; see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from dense_det.evaluation.quotation import quote_run
from dense_det.marked_page import write_between
from dense_det.terminal import tell

PAGE = Path(__file__).resolve().parents[1] / "README.md"
EXAMPLE = "example: python tools/quote_run.py output/demo --write demo"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="OUTPUT_DIR of a finished training or evaluation")
    parser.add_argument("--write", metavar="NAME", help="put it into README.md, between the lines of this name")
    return parser


def quote(args) -> Iterator[str]:
    quotation = quote_run(args.run)
    if args.write:
        write_between(PAGE, f"<!-- run: {args.write} -->", f"<!-- end of run {args.write} -->", quotation)
    yield quotation


def main(argv=None) -> int:
    return tell(quote(build_parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
