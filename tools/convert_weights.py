"""Other people's weights -> a checkpoint of ours, with a report of every tensor: see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
from pathlib import Path

import torch
from detectron2.modeling import build_model

from dense_det.checkpoint import read_weights, save_weights
from dense_det.config import load_cfg
from dense_det.weights.convert import OPEN_GATE, TRAINABLE_GATE


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description="Rename and complete the weights of vovnet-detectron2, centermask2, VoVNet V1, timm, torchvision "
        "or PeleeNet for the network of a config. MODEL.WEIGHTS takes such files directly, too.",
        epilog="example: python tools/convert_weights.py vovnet39_ese_detectron2.pth v39.pth "
        "--config-file configs/retina_vovnet.yaml MODEL.BOTTOM_UP.NORM FrozenBN",
    )
    parser.add_argument("weights", type=Path, metavar="FILE", help=".pth, .pth.tar, .safetensors or .pkl")
    parser.add_argument("out", type=Path, metavar="OUT", help="checkpoint to write, .pth")
    parser.add_argument("--config-file", type=Path, required=True, metavar="CONFIG", help="whose network it is for")
    parser.add_argument(
        "--trainable-gates",
        action="store_true",
        help="eSE gates that the file lacks start at 0.998 with a gradient, not at exactly 1 without one",
    )
    parser.add_argument("--trust-pickle", action="store_true", help="FILE may run code: only if you trust it")
    parser.add_argument("opts", nargs="*", default=[], metavar="KEY VALUE", help="overrides of the config")
    args = parser.parse_intermixed_args(argv)
    if args.out.suffix == ".safetensors":  # has no place for the pixels that belong to weights
        sys.exit(f"error: OUT {args.out}: a torch checkpoint is written, call it {args.out.with_suffix('.pth')}")
    if args.out.resolve() == args.weights.resolve():
        sys.exit(f"error: OUT {args.out} is FILE, which would be lost: give another name")
    try:
        cfg = load_cfg(args.config_file, [*args.opts, "MODEL.DEVICE", "meta"])
        with torch.device("meta"):  # names and shapes are all that is needed
            targets = build_model(cfg).state_dict()
        gate_bias = TRAINABLE_GATE if args.trainable_gates else OPEN_GATE
        weights, report = read_weights(args.weights, targets, args.trust_pickle, gate_bias)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    save_weights(args.out, weights, report.pixels)
    print(f"{args.out}: {report.to_text()}")
    if report.pixels:
        print(f"\nThe pixels that these weights expect, for the config:\n{report.pixels.as_yaml()}")


if __name__ == "__main__":
    main()
