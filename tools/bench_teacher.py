"""A teacher's CPU time for a JPEG against Detectron2's DefaultPredictor (PIL, network as trained): see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
from pathlib import Path

import numpy as np
import torch

from dense_det.aligned_table import aligned_table
from dense_det.analysis.latency import median_ratio
from dense_det.distillation.teacher_stages import NAMES
from dense_det.distillation.work_folder import write_json
from dense_det.environment import cpu_name
from dense_det.marked_page import write_between
from dense_det.speed.networks import BN
from dense_det.speed.teachers import measure_teacher

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
MARKS = "<!-- table: tools/bench_teacher.py --write -->", "<!-- end of teachers -->"
ROWS = [("retina_snet", ()), ("retina_snet", BN), ("retina_vovnet_19_slim", ())]


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description="CPU ms from a JPEG of quality 90 to the boxes of a RetinaNet with one class, on one thread, "
        "Detectron2's way and a teacher's in turns; the split; and the mean difference of the resized pixels."
    )
    parser.add_argument("--size", nargs=2, type=int, default=[1280, 960], metavar=("W", "H"), help="of the JPEG")
    parser.add_argument("--edge", type=int, default=512, metavar="PX", help="the view's short edge (default 512)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="timed images of each (default 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rows to FILE")
    parser.add_argument("--write", action="store_true", help="put the table into docs/speed.md")
    args = parser.parse_args(argv)
    for name in ("size", "edge", "rounds"):
        value = getattr(args, name)
        if min(value if name == "size" else [value]) < 1:
            parser.error(f"--{name} must be positive, got {value}")
    torch.set_num_threads(1)
    rows, cells = [], []
    for name, options in ROWS:
        times, grey = measure_teacher(f"{name}.yaml", options, args.size, args.edge, args.rounds)
        theirs, ours = np.split(np.median(times, 0), 2)
        ratio = median_ratio(times, 0, len(theirs))
        name = f"{name}{' with BN' if options else ''}"
        rows.append({"teacher": name, "theirs_ms": [*theirs], "ours_ms": [*ours], "ratio": ratio, "grey_levels": grey})
        cells.append([name, *(f"{a:.1f} / {b:.1f}" for a, b in zip(theirs, ours)), f"{ratio:.2f} x", f"{grey:.4f}"])
    table = aligned_table(["theirs / ours, ms", "whole", *NAMES, "times as fast", "grey levels apart"], cells)
    table = f"{table}\n\n{cpu_name()}, JPEG of {args.size[0]} x {args.size[1]} at {args.edge}, {args.rounds} rounds."
    print(table)
    if args.json:
        write_json(args.json, rows)
    if args.write:
        write_between(PAGE, *MARKS, table)


if __name__ == "__main__":
    main()
