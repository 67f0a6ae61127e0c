"""Draw training images as the network sees them: resized, augmented, with their boxes."""

import dense_det  # first: sets the process environment before torch is imported  # isort: skip

import argparse
import sys

import cv2
from detectron2.data import MetadataCatalog

from dense_det.atomic_file import atomic_file
from dense_det.data.catalog import register_coco
from dense_det.data.loader import build_train_loader
from dense_det.data.preview import draw_batch

EPILOG = """examples:
  python tools/preview_data.py --config-file configs/retina_vovnet.yaml --train-json train.json --train-images images/
  python tools/preview_data.py --config-file configs/retina_vovnet.yaml -n 9 INPUT.AUGMENT.SCAN_WEAR 1.0"""


def parse(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="YAML", help="its INPUT keys say what is done")
    parser.add_argument("--train-json", metavar="A", help="COCO annotations (else DATASETS.TRAIN by name)")
    parser.add_argument("--train-images", metavar="B", help="the folder of their images")
    parser.add_argument("--out", default="preview.png", help="the picture to write (default preview.png)")
    parser.add_argument("-n", type=int, default=16, help="how many images (default 16)")
    parser.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config keys to override")
    args = parser.parse_args(argv)
    if bool(args.train_json) != bool(args.train_images):
        parser.error("--train-json and --train-images go together: a COCO file and the folder of its images")
    if args.n < 1:
        parser.error(f"-n must be at least 1, got {args.n}")
    return args


def main(argv=None) -> int:
    args = parse(argv)
    try:
        cfg = dense_det.load_cfg(args.config_file, args.opts)
        if args.train_json:
            register_coco("preview_data", args.train_json, args.train_images)
            cfg.DATASETS.TRAIN = ("preview_data",)
        cfg.SEED = max(cfg.SEED, 0)
        cfg.SOLVER.IMS_PER_BATCH = args.n
        cfg.DATALOADER.NUM_WORKERS = 0
        loader = build_train_loader(cfg)
        class_names = MetadataCatalog.get(cfg.DATASETS.TRAIN[0]).thing_classes
        picture = draw_batch(next(iter(loader)), class_names, cfg.INPUT.FORMAT)
        _, encoded = cv2.imencode(".png", picture[:, :, ::-1])
        with atomic_file(args.out, "wb") as file:
            file.write(encoded.tobytes())
    except (OSError, ValueError) as error:
        print(f"preview_data: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}: {args.n} images of {', '.join(cfg.DATASETS.TRAIN)}, {picture.shape[1]} x {picture.shape[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
