"""Make a COCO set of invented ID documents in photographs, with masks and corners (see datasets/README.md)."""

import argparse
import logging
import os
import sys
from pathlib import Path

from dense_det.data.cache import cache_folder
from dense_det.data.idcards.build import prepare_idcards
from dense_det.data.idcards.preview import write_preview

# photographs under free licences; the versions of Debian 12
PACKAGES = {
    "mate-backgrounds": "1.26.0-1",
    "lomiri-wallpapers-16.04": "20.04.0-2",
}
EXAMPLE = """examples:
  python datasets/prepare_idcards.py
  python datasets/prepare_idcards.py --packages --train 4000 --unlabelled 4000
  python datasets/prepare_idcards.py --photos ~/Pictures --out scenes
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", help="folder to write (default: idcards/ in the cache folder)")
    parser.add_argument("--train", type=int, default=2000, metavar="N", help="pictures to train on (default 2000)")
    parser.add_argument("--val", type=int, default=300, metavar="N", help="pictures to evaluate on (default 300)")
    parser.add_argument("--unlabelled", type=int, default=0, metavar="N", help="pictures without annotations")
    parser.add_argument("--size", type=int, default=640, metavar="PX", help="longer side (default 640)")
    parser.add_argument("--photos", metavar="DIR", help="more photographs to lay documents on")
    parser.add_argument("--packages", action="store_true", help=f"more photographs: {', '.join(PACKAGES)} of Debian")
    parser.add_argument("--pages", metavar="DIR", help="real pages (default: those of prepare_docpages, if made)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N", help="processes (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of all pictures")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    docpages = cache_folder() / "docpages"
    pages = args.pages or (docpages if (docpages / "manifest.json").is_file() else None)
    counts = {"train": args.train, "val": args.val} | ({"unlabelled": args.unlabelled} if args.unlabelled else {})
    try:
        made = prepare_idcards(
            args.out, counts=counts, long_side=args.size, seed=args.seed, photos=args.photos, pages=pages,
            packages=PACKAGES if args.packages else None, workers=args.workers,
        )  # fmt: skip
        sheet = write_preview(Path(made["folder"]))
    except (ValueError, OSError, ImportError) as error:
        print(f"prepare_idcards: {error}", file=sys.stderr)
        return 1
    print(f"{'already there' if made['already_there'] else 'made'}: {made['folder']} ({sheet.name} shows some)")
    for split, count in made["statistics"].items():
        documents = ", ".join(f"{name} {number}" for name, number in count["documents"].items())
        print(
            f"  {split}: {count['pictures']} pictures, {count['without_documents']} without documents; {documents}; "
            f"median side {count['median_side']} px, {count['partly_hidden']} partly hidden"
        )
    for problem in made["problems"]:
        print(f"  note: {problem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
