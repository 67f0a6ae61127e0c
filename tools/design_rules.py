"""What each design rule of a light network is worth in multiply-adds, parameters and CPU time: see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
from pathlib import Path

import torch
from detectron2.modeling import build_model

from dense_det.analysis.design_rules import HEADER, MARKS, load_rules, measure_rule
from dense_det.config import load_cfg
from dense_det.marked_page import write_between

ROOT = Path(__file__).resolve().parents[1]


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python tools/design_rules.py --size 320 --rounds 40 --write"
    )
    parser.add_argument("--rules", type=Path, default=ROOT / "docs" / "design_rules.yaml", help="the pairs to compare")
    parser.add_argument("--size", type=int, default=320, metavar="PX", help="of the square input (default 320)")
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="timed forwards of each network")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of torch (default 1: the fairest)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/design_rules.md, too")
    args = parser.parse_args(argv)
    if min(args.size, args.rounds, args.threads) < 1:
        parser.error("--size, --rounds and --threads are 1 or more")
    torch.set_num_threads(args.threads)
    rows = []
    try:
        print(HEADER)
        for rule in load_rules(args.rules):
            rows.append(measure_rule(rule, build, args.size, args.rounds))
            print(rows[-1], flush=True)
        conditions = (
            f"{args.size} x {args.size} pixels, batch 1, {args.threads} thread{'s' if args.threads > 1 else ''}, torch "
            f"{torch.__version__.split('+')[0]} eager, channels_last; the median of {args.rounds} ratios, the two "
            "networks of a row in turns."
        )
        print(f"\n{conditions}")
        if args.write:
            table = "\n".join([HEADER, *rows, "", conditions])
            write_between(ROOT / "docs" / "design_rules.md", *MARKS, table)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def build(words: tuple[str, ...]) -> torch.nn.Module:
    """The detector of "config KEY VALUE ...", with random weights, for one class."""
    config, *opts = words
    return build_model(
        load_cfg(ROOT / "configs" / f"{config}.yaml", ["MODEL.DEVICE", "cpu", "MODEL.RETINANET.NUM_CLASSES", 1, *opts])
    )


if __name__ == "__main__":
    main()
