"""Find objects in images, tar files and PDFs with a trained detector or an exported one; see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import logging
import sys
from pathlib import Path

from detectron2.utils.logger import setup_logger

from dense_det.config import load_cfg
from dense_det.distillation.fusion import LEAST_SIDE
from dense_det.drawing import JPEG_EDGE
from dense_det.engine.model import load_model
from dense_det.prediction.job import Prediction
from dense_det.prediction.trained import PLAIN_THRESHOLD
from dense_det.terminal import tell

EXAMPLE = f"""examples:
  python tools/predict.py output/mine scans/ --out found --pictures
  python tools/predict.py model.onnx more.tar papers/*.pdf --out found_more --threshold 0.4 --crops
found.json (COCO with scores), found.csv (UTF-8, which Excel must be told), pictures/ and crops/ (straightened by the
corners, where the detector has masks). Boxes and corners are in pixels of the upright image; of a PDF's page at 150
dpi (72 points are 150 pixels). Stopped, the same command goes on, and another --threshold is taken from what is
stored; other images, or another detector, want another --out. Files with the same bytes are looked at once, and each
has its rows; what is no image is left out, and OUT/work/rejected.jsonl and failures.jsonl say why. Boxes with a side
below {LEAST_SIDE} pixels of their image are left out. Pictures are JPEGs: those longer than {JPEG_EDGE:,} pixels are
shrunk to that."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="a training's OUTPUT_DIR, zoo/NAME, or a file: .onnx, .xml")
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="images, folders, globs, lists, tar files, PDFs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--threshold", type=float, metavar="S",
                        help="least score (default: each class's best one on validation images; the median of "
                        f"the others' where a class has none, {PLAIN_THRESHOLD} where all have none)")  # fmt: skip
    parser.add_argument("--pictures", action="store_true", help="draw what was found")
    parser.add_argument("--crops", action="store_true", help="cut out what was found")
    parser.add_argument("--num-workers", type=int, metavar="N", help="images at a time (default: one a core)")
    return parser


def main(argv=None) -> int:
    args = build_parser().parse_args(argv)
    setup_logger(name="dense_det", abbrev_name="dense_det").setLevel(logging.INFO)
    job = Prediction(
        args.model, args.sources, args.out, load_cfg, load_model, args.threshold, args.pictures, args.crops,
        args.num_workers,
    )  # fmt: skip
    return tell(job.lines())


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold what the terminal's encoding cannot
    sys.exit(main())
