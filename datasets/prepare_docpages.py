"""Make a COCO detection set of real document pages (see datasets/README.md)."""

import argparse
import logging
import sys
from pathlib import Path

from dense_det.data.docpages import prepare_docpages
from dense_det.data.few_labelled import write_few_labelled
from dense_det.data.freeze import freeze_docpages
from dense_det.environment import num_cpus

FROZEN_LIST = Path(__file__).with_name("docpages.json")
EXAMPLE = """examples:
  python datasets/prepare_docpages.py --classes Table Picture Formula
  python datasets/prepare_docpages.py --pdfs ~/papers --labels publaynet --out papers_coco
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", help="folder to write (default: docpages/ in the cache folder)")
    parser.add_argument("--pdfs", metavar="DIR", help="take the PDFs of this folder instead of the frozen list's")
    parser.add_argument("--debs", metavar="DIR", help="take the .deb files of this folder instead of downloading")
    parser.add_argument("--labels", default="doclaynet", help="doclaynet: its 11 classes and Code; publaynet: its 5")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="keep only these, with ids in this order")
    parser.add_argument("--pages", type=int, metavar="N", help="at most so many, those with figures first")
    parser.add_argument("--size", type=int, default=1000, metavar="PX", help="longer side of the images (default 1000)")
    parser.add_argument("--workers", type=int, default=num_cpus(), metavar="N", help="processes (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pages, and of a folder's split")
    parser.add_argument("--without", nargs="+", default=[], metavar="NAME", help="packages of the list to leave out")
    parser.add_argument("--few", type=int, metavar="N", help="and few.json: N pages of train, at random")
    parser.add_argument("--freeze", metavar="NAME=SPLIT", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if args.freeze:
            print(freeze_docpages(FROZEN_LIST, args.freeze, args.debs, args.workers))
            return 0
        made = prepare_docpages(
            args.out, frozen_list=FROZEN_LIST, pdfs=args.pdfs, debs=args.debs, labels=args.labels,
            classes=args.classes, num_pages=args.pages, long_side=args.size, workers=args.workers, seed=args.seed,
            without=args.without,
        )  # fmt: skip
        if args.few:
            folder = Path(made["folder"])
            write_few_labelled(folder / "train.json", folder / "few.json", args.few, args.seed)
    except (ValueError, OSError, ImportError) as error:
        print(f"prepare_docpages: {error}", file=sys.stderr)
        return 1
    print(f"{'already there' if made['already_there'] else 'made'}: {made['folder']}")
    for split, count in made["counts"].items():
        boxes = ", ".join(f"{name} {number}" for name, number in count["boxes"].items())
        print(f"  {split}: {count['documents']} documents, {count['pages']} pages; {boxes}")
    for problem in made["problems"]:
        print(f"  note: {problem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
