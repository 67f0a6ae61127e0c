"""Make a COCO detection set of ID documents in photographs (see datasets/README.md)."""

import argparse
import logging
import sys
import time

from dense_det.data.idcards.dataset import prepare_idcards
from dense_det.data.idcards.statistics import statistics_lines
from dense_det.environment import num_cpus

EXAMPLE = """examples:
  python datasets/prepare_idcards.py
  python datasets/prepare_idcards.py --train 500 --val 100 --unlabelled 1000 --preview 16 --out idcards
"""


def parse_arguments(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", help="folder to write (default: idcards/ in the cache folder)")
    parser.add_argument("--train", type=int, default=2000, metavar="N", help="pictures to train on (default 2000)")
    parser.add_argument("--val", type=int, default=300, metavar="N", help="pictures for validation (default 300)")
    parser.add_argument("--unlabelled", type=int, default=0, metavar="N", help="pictures without annotations (none)")
    parser.add_argument("--size", type=int, default=640, metavar="PX", help="longer side of the images (default 640)")
    parser.add_argument("--photos", metavar="DIR", action="append", default=[], help="more photographs for backgrounds")
    parser.add_argument("--packages", action="store_true", help="and the photographs of three Debian packages (158 MB)")
    parser.add_argument("--pages", metavar="DIR", help="pages that prepare_docpages.py made, beside the drawn ones")
    parser.add_argument("--fonts", metavar="DIR", help="more typefaces, such as /usr/share/fonts (none)")
    parser.add_argument("--preview", type=int, default=0, metavar="N", help="draw N annotated pictures of each split")
    parser.add_argument("--workers", type=int, default=num_cpus(), metavar="N", help="processes (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="another one gives other pictures of the same kind")
    return parser.parse_args(argv)


def main(argv=None) -> int:
    args = parse_arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    start = time.perf_counter()
    try:
        made = prepare_idcards(
            args.out, num_train=args.train, num_val=args.val, num_unlabelled=args.unlabelled, longer=args.size,
            seed=args.seed, photo_folders=args.photos, packages=args.packages, pages=args.pages, fonts=args.fonts,
            preview=args.preview, workers=args.workers,
        )  # fmt: skip
    except (ValueError, OSError, ImportError) as error:
        print(f"prepare_idcards: {error}", file=sys.stderr)
        return 1
    state = "already there" if made["already_there"] else f"made in {time.perf_counter() - start:.0f} s"
    print(f"{state}: {made['folder']}")
    for split, counts in made["counts"].items():
        print("\n".join(statistics_lines(split, counts)))
    for problem in made["problems"]:
        print(f"  note: {problem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
