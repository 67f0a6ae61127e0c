"""Fit anchor sizes and aspect ratios to a data set, and print the lines for a config."""

import dense_det  # first: sets the process environment before torch is imported  # isort: skip

import argparse
import sys

from dense_det.data.anchors import box_shapes, choose_anchors, measure_anchors
from dense_det.data.catalog import register_coco
from dense_det.data.loader import load_records
from dense_det.engine.anchor_strides import anchor_strides

EPILOG = """example:
  python tools/fit_anchors.py --config-file configs/retina_vovnet.yaml --train-json train.json --train-images images/"""


def parse(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="YAML", help="its levels, anchors and MIN_SIZE_TEST")
    parser.add_argument("--train-json", metavar="A", help="COCO annotations (else DATASETS.TRAIN by name)")
    parser.add_argument("--train-images", metavar="B", help="the folder of their images")
    parser.add_argument("--anchors", type=int, default=3, help="anchors per location (default 3)")
    parser.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config keys to override")
    args = parser.parse_args(argv)
    if bool(args.train_json) != bool(args.train_images):
        parser.error("--train-json and --train-images go together: a COCO file and the folder of its images")
    return args


def main(argv=None) -> int:
    args = parse(argv)
    try:
        cfg = dense_det.load_cfg(args.config_file, args.opts)
        if args.train_json:
            register_coco("fit_anchors", args.train_json, args.train_images)
            cfg.DATASETS.TRAIN = ("fit_anchors",)
        shapes = box_shapes(load_records(cfg.DATASETS.TRAIN), cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
        strides = anchor_strides(cfg)
        present = cfg.MODEL.ANCHOR_GENERATOR
        before = measure_anchors(shapes, present.SIZES, present.ASPECT_RATIOS, strides)
        after = choose_anchors(shapes, strides, args.anchors)
    except (OSError, ValueError) as error:
        print(f"fit_anchors: {error}", file=sys.stderr)
        return 2
    print(f"{len(shapes)} boxes\nthe config's: {before}\nfitted:       {after}\n\n{after.as_yaml()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
