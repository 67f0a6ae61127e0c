"""Memory and time of a training step of DenseNets, plain and memory-efficient: see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
from functools import partial
from pathlib import Path

import torch
from detectron2.layers import ShapeSpec

from dense_det.aligned_table import aligned_table
from dense_det.analysis.memory import compare
from dense_det.backbones.fpn import build_bottom_up
from dense_det.config import load_cfg
from dense_det.distillation.work_folder import write_json
from dense_det.marked_page import write_between

PAGE = Path(__file__).resolve().parents[1] / "docs" / "memory.md"
MARKS = "<!-- table: tools/bench_checkpointing.py --write -->", "<!-- end of training -->"
CONFIGS = [Path(__file__).parents[1] / "configs" / f"retina_{name}.yaml" for name in ("densenet", "cspdensenet")]
HEADER = "bottom-up", "kept for backward, MB", "efficient", "peak of a step, MB", "efficient", "CPU s", "efficient"
MAX_SAVED_RATIO, MAX_TIME_RATIO = 0.65, 1.25


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=f"{__doc__.split(':')[0]}. Fails unless MODEL.BOTTOM_UP.MEMORY_EFFICIENT keeps at most "
        f"{MAX_SAVED_RATIO} of the activation memory in at most {MAX_TIME_RATIO} of the time.",
        epilog="example: python tools/bench_checkpointing.py configs/retina_densenet.yaml --size 256 384 --batch 4",
    )
    parser.add_argument("configs", nargs="*", type=Path, default=CONFIGS, metavar="CONFIG", help="default: both nets'")
    parser.add_argument("--size", nargs=2, type=int, default=[224, 224], metavar=("H", "W"), help="input, in pixels")
    parser.add_argument("--batch", type=int, default=4, metavar="N", help="images (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="timed steps of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of torch (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rows to FILE")
    parser.add_argument("--write", action="store_true", help="put the table into docs/memory.md")
    args = parser.parse_args(argv)
    for name in ("size", "batch", "rounds", "threads"):
        value = getattr(args, name)
        if min(value if name == "size" else [value]) < 1:
            parser.error(f"--{name} must be positive, got {value}")
    torch.set_num_threads(args.threads)
    rows, missed, cells = [], [], []
    for path in args.configs:
        try:
            twins = [partial(build, path, memory_efficient, args.threads) for memory_efficient in (False, True)]
            row = compare(*twins, (args.batch, 3, *args.size), args.rounds)
        except (ValueError, FileNotFoundError) as error:
            sys.exit(f"error: {error}")
        figures, ratios = ("saved_mb", "peak_mb", "seconds"), ("saved_ratio", "peak_ratio", "time_ratio")
        pairs = [[row[figure], f"x {row[ratio]:.2f}"] for figure, ratio in zip(figures, ratios, strict=True)]
        rows.append({"bottom_up": path.stem, **row})
        cells.append([path.stem, *sum(pairs, [])])
        if row["saved_ratio"] > MAX_SAVED_RATIO or row["time_ratio"] > MAX_TIME_RATIO:
            missed.append(path.stem)
    note = f"{args.batch} images of {args.size[0]}x{args.size[1]}, {args.threads} threads, {args.rounds} rounds."
    table = f"{aligned_table(HEADER, cells)}\n\n{note}"
    print(table)
    if args.json:
        write_json(args.json, rows)
    if args.write:
        write_between(PAGE, *MARKS, table)
    if missed:
        sys.exit(f"error: {', '.join(missed)}: more than x {MAX_SAVED_RATIO} of memory or x {MAX_TIME_RATIO} of time")


def build(path: Path, memory_efficient: bool, num_threads: int) -> torch.nn.Module:
    """The bottom-up of a config, for training; the same random weights each time."""
    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    cfg = load_cfg(path, ["MODEL.BOTTOM_UP.MEMORY_EFFICIENT", memory_efficient])
    return build_bottom_up(cfg, ShapeSpec(channels=3)).train().to(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
