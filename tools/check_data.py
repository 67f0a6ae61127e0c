"""Check a COCO data set: names what would fail, or silently spoil, a training with Detectron2."""

import argparse
import json
import sys

from dense_det.data.check import check_dataset
from dense_det.data.check_fix import NothingLeft, fix_dataset

EPILOG = """examples:
  python tools/check_data.py train.json images/
  python tools/check_data.py train.json images/ --also val.json images/ --size 448 --max-size 640
  python tools/check_data.py train.json images/ --fix train_clean.json

exit codes: 0 no errors (or --fix wrote a copy without them), 1 errors, 2 could not check"""


def parse(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("json_file", metavar="JSON", help="annotations in COCO format")
    parser.add_argument("image_root", metavar="IMAGES", help="the folder that file_name is relative to")
    parser.add_argument("--also", nargs="+", default=[], metavar=("JSON IMAGES", "JSON IMAGES"),
                        help="other splits, which must not hold the same images")  # fmt: skip
    parser.add_argument("--fix", metavar="OUT", help="write a mended copy to OUT; the original is never touched")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--all", action="store_true", help="list every finding, not the first three of each kind")
    parser.add_argument("--size", type=int, default=800, help="training size of the shorter edge (default 800)")
    parser.add_argument("--max-size", type=int, default=1333, help="limit of the longer edge (default 1333)")
    parser.add_argument("--detections", type=int, default=100, help="TEST.DETECTIONS_PER_IMAGE (default 100)")
    parser.add_argument("--workers", type=int, default=2, help="threads that read images (default 2)")
    parser.add_argument("--decode", action="store_true",
                        help="decode every image in full: about 10 times slower")  # fmt: skip
    args = parser.parse_args(argv)
    if len(args.also) % 2:
        parser.error(f"--also takes pairs of JSON and IMAGES, got {len(args.also)} names")
    return args


def main(argv=None) -> int:
    args = parse(argv)
    settings = {
        "others": list(zip(args.also[::2], args.also[1::2], strict=True)),
        "min_size": args.size,
        "max_size": args.max_size,
        "max_detections": args.detections,
        "workers": args.workers,
        "decode": args.decode,
    }
    mended, refusal = [], None
    try:
        if args.fix:
            report, mended = fix_dataset(args.json_file, args.image_root, args.fix, **settings)
        else:
            report = check_dataset(args.json_file, args.image_root, **settings)
    except NothingLeft as error:
        report, refusal = error.report, str(error)
    except (OSError, ValueError) as error:
        print(f"could not check: {error}", file=sys.stderr)
        return 2

    if args.json:
        print(json.dumps({**report.to_dict(), "mended": mended}))
    else:
        print(report.to_text(examples=None if args.all else 3))
        print(*mended, sep="\n", end="\n" if mended else "")
    if refusal:
        print(refusal, file=sys.stderr)
    return 1 if report.num_errors and not mended else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold what the terminal's encoding cannot
    sys.exit(main())
