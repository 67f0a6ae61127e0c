"""Write a detector as one file, ONNX, OpenVINO or torch.export, that finds what the detector finds: see --help."""

import dense_det  # first: sets the process environment before torch is imported

# isort: split
import argparse
import logging
import sys
from pathlib import Path

from dense_det.config import load_cfg
from dense_det.deploy.delivery import SUFFIXES, Delivery, deliver, target
from dense_det.deploy.facts import build_facts, trained_classes
from dense_det.deploy.images import images_in, images_of, some_of, some_readable
from dense_det.deploy.labelled import load_labelled
from dense_det.engine.model import load_model

NUM_COMPARED, NUM_CALIBRATION = 16, 300


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description="Write a RetinaNet, FCOS or CenterMask as one file, with pre- and post-processing inside, for "
        "dense_det/deploy/runtime.py, which runs it without torch; torch-export's .pt2 is for torch.export.load. The "
        "file is compared with the detector on real images; one that finds something else is not written.",
        epilog="example: python tools/export_model.py output/mine/config.yaml --weights output/mine/model_best.pth "
        "--format openvino --int8 scans/ --labelled val.json images/",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="of the training: its folder's config.yaml")
    parser.add_argument(
        "--weights", required=True, metavar="W", help="checkpoint; thresholds come from its evaluation/"
    )
    parser.add_argument("--format", choices=SUFFIXES, default="onnx", help="of the file (default: %(default)s)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="to compare on, where there are no others")
    parser.add_argument(
        "--int8", type=Path, metavar="IMAGES", help="8-bit integers, calibrated on this folder's images"
    )
    parser.add_argument("--labelled", nargs=2, type=Path, metavar=("JSON", "IMAGES"),
                        help="COCO file and folder: compare on them, and give the AP before and after")  # fmt: skip
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME", help="where no evaluation names them")
    parser.add_argument("--nms", choices=("inside", "outside"), default="inside",
                        help="outside: suppression is left to who runs the file (default: %(default)s)")  # fmt: skip
    parser.add_argument("--allow-drop", action="store_true", help="write a file that is not equal all the same")
    parser.add_argument("--out", type=Path, metavar="PATH", help="file, or folder (default: that of the weights)")
    parser.add_argument("--licence", default="", metavar="TEXT", help="of data and weights (default: from a CARD.md)")
    parser.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE", help="config keys")
    args = parser.parse_args(argv)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of each operator
    try:
        for line in export(args):
            print(line, flush=True)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


def export(args):
    if not Path(args.weights).is_file():
        raise ValueError(f"no file {args.weights}: --weights is a checkpoint, such as model_best.pth")
    file = target(args.out, Path(args.weights), args.format, bool(args.int8))
    classes = args.classes or list(trained_classes(args.weights))
    truth = load_labelled(args.labelled[0], classes) if args.labelled else None
    files = images_of(truth, args.labelled[1]) if truth else []
    calibration = some_readable(images_in(args.int8), NUM_CALIBRATION) if args.int8 else ()
    compared = files or calibration or (some_readable(images_in(args.images), NUM_COMPARED) if args.images else ())
    if not compared:
        raise ValueError("nothing to compare on: give --labelled JSON IMAGES or --images DIR")
    cfg = load_cfg(args.config, [*args.opts, "MODEL.WEIGHTS", args.weights, "MODEL.DEVICE", "cpu"])
    classes = classes or (truth.class_names if truth else [])
    facts = build_facts(cfg, args.config, classes, dense_det.__version__, args.licence)
    if not facts["thresholds_from"]:
        yield "no evaluation of these classes lies beside the weights: the file's thresholds are 0.5 for each class"
    compared = some_of(compared, NUM_COMPARED)
    job = Delivery(file, compared, calibration, truth, tuple(files), args.allow_drop, args.nms == "inside")
    yield from deliver(load_model(cfg), facts, job)
    if args.int8 and not args.labelled:
        yield "how much AP 8 bits cost was not measured: --labelled JSON IMAGES does so"


if __name__ == "__main__":
    main()
