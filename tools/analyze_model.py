"""A table of parameters and multiply-adds of the detectors of given configs: see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import json
import sys
from pathlib import Path

import torch
from detectron2.modeling import build_model

from dense_det.analysis.complexity import detector_row, markdown_table
from dense_det.analysis.network import NUM_ROIS
from dense_det.atomic_file import atomic_file
from dense_det.config import load_cfg


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python tools/analyze_model.py configs/retina_vovnet*.yaml --size 800 1216 --json rows.json",
    )
    parser.add_argument("configs", nargs="+", type=Path, metavar="CONFIG", help="YAML file; a row of the table")
    parser.add_argument("--size", nargs=2, type=int, default=[800, 1216], metavar=("H", "W"), help="input, in pixels")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE, too, with every digit")
    args = parser.parse_args(argv)
    if min(args.size) < 1:
        parser.error(f"--size must be positive, got {args.size[0]} {args.size[1]}")
    try:
        rows = [analyze(path, args.size) for path in args.configs]
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    print(markdown_table(rows))
    rois = f"masks of {NUM_ROIS} boxes" if any("gmacs_masks" in row for row in rows) else "one image"
    print(f"\nInput {args.size[0]}x{args.size[1]}, {rois}; multiply-adds by torch.utils.flop_counter.")
    if args.json:
        with atomic_file(args.json) as file:
            json.dump({"size": args.size, "counter": "torch.utils.flop_counter / 2", "rows": rows}, file, indent=2)


def analyze(path: Path, size: list[int]) -> dict:
    """The row of a config; the model has shapes only, so even V-99 takes no memory."""
    cfg = load_cfg(path, ["MODEL.DEVICE", "meta"])
    with torch.device("meta"):
        model = build_model(cfg)
    return detector_row(path.stem, model, size)


if __name__ == "__main__":
    main()
