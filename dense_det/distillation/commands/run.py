"""Let the teacher label all planned images; what is finished is skipped.

The teacher looks at several views of each image (--views; by default those that it was trained on), and what it finds
in them is fused; of one view and one teacher all stays as it is. Stopped or killed, the same command goes on; the shard
at which a process died, ran out of memory, or failed throughout comes last then, and an image that killed two is left
out, with the reason in failures.jsonl, which lists the bad files that plan left out, too.
Workers need nothing but the folder: start as many as you like with --num-workers, torchrun, a SLURM array, or --worker
R/W on several machines.
"""

import functools
import os
from collections.abc import Iterator

from dense_det.distillation.failure_budget import require_few_bad
from dense_det.distillation.fusion import FUSIONS
from dense_det.distillation.processes import num_cores, run_ray, run_workers
from dense_det.distillation.run_settings import Detectron2Doors, RunSettings, open_labeller, require_judges
from dense_det.distillation.share import find_share
from dense_det.distillation.views import parse_views
from dense_det.distillation.work_folder import WorkFolder

EXAMPLE = """examples:
  python tools/pseudo_label.py run work/ --teacher output/cards/config.yaml output/cards/model_best.pth --num-workers 2
  python tools/pseudo_label.py run work/ --onnx layout.onnx --views own,ownf --fusion voting
  sbatch --array=0-15 --wrap 'python tools/pseudo_label.py run work/ --teacher config.yaml model_best.pth'"""


def add_arguments(parser) -> None:
    parser.add_argument("work", metavar="WORK", help="a planned work folder")
    parser.add_argument("--teacher", nargs=2, action="append", default=[], metavar=("CONFIG", "WEIGHTS"),
                        help="a detector of this package or Detectron2; several are an ensemble")  # fmt: skip
    parser.add_argument("--onnx", action="append", default=[], metavar="FILE",
                        help="a file of tools/export_model.py (.onnx, .xml), or an ONNX detector with outputs as "
                        "YOLOv8's or PicoDet's; several, too")  # fmt: skip
    parser.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE", help="config keys of the teachers")
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME",
                        help="the classes in order (default: those of the plan's labelled file, else the first "
                        "teacher's own)")  # fmt: skip
    parser.add_argument("--class-map", metavar="FILE", help="JSON or YAML {a teacher's class: ours, or null}")
    parser.add_argument("--views", metavar="V,V",
                        help="short edges in pixels, f for mirrored, own: that of its tests: 480,640,ownf")  # fmt: skip
    parser.add_argument("--fusion", choices=FUSIONS, default="wbf", help="how views become one (default wbf)")
    parser.add_argument("--fusion-iou", type=float, metavar="X", help="overlap of the same thing (default .55; .5)")
    parser.add_argument("--floor", type=float, default=0.05, metavar="S", help="least score kept (default 0.05)")
    parser.add_argument("--detections", type=int, default=300, metavar="N", help="most boxes an image (default 300)")
    parser.add_argument("--scaled-decode", action="store_true",
                        help="decode large JPEG files at 1/2, 1/4 or 1/8, as the largest view allows: sooner, but not "
                        "exactly the pixels of training")  # fmt: skip
    parser.add_argument("--max-failure-rate", type=float, default=0.5, metavar="X",
                        help="stop when more of the images fail, bad files that plan left out among them (default "
                        "0.5; 1 never stops)")  # fmt: skip
    parser.add_argument("--num-workers", type=int, metavar="N",
                        help="images at a time, on one thread each: so many processes or, where there are fewer "
                        "shards, several in a process (default: one a core); of a Ray cluster ($RAY_ADDRESS), shards "
                        "at work at once (default: as many as it has CPUs)")  # fmt: skip
    parser.add_argument("--worker", metavar="R/W", help="be worker R of W on several machines, from 0")
    parser.add_argument("--backend", choices=("processes", "ray"), default="processes", help="(default processes)")


def main(args) -> Iterator[str]:
    settings = read_settings(args, Detectron2Doors(args.load_cfg, args.load_model))
    work = WorkFolder(args.work)
    plan = work.read_plan()
    require_few_bad(work, plan, args.max_failure_rate)
    share = find_share(args.worker, os.environ)
    opener = functools.partial(open_labeller, settings)
    # before any worker starts: what is wrong is said once
    manifest = opener().manifest()
    require_judges(work, manifest.classes)
    work.settle_manifest(manifest)
    num = args.num_workers or (1 if share.count > 1 else num_cores())
    if args.backend == "ray":
        # the cores of this machine say nothing about a cluster's
        num = args.num_workers if os.environ.get("RAY_ADDRESS") else num
        yield from run_ray(work, opener, share, num, args.max_failure_rate)
    else:
        yield from run_workers(work, opener, share, num, args.max_failure_rate)
    bad = f", {plan.num_bad} bad files that plan left out" if plan.num_bad else ""
    yield f"{work.join_failures(plan)} failures{bad} (failures.jsonl); next: status, select"


def read_settings(args, doors: Detectron2Doors | None) -> RunSettings:
    """What the words ask for, see RunSettings; ValueError: a number of any of them out of its range."""
    if args.num_workers is not None and args.num_workers < 1:
        raise ValueError(f"--num-workers must be at least 1, got {args.num_workers}")
    if not 0 <= args.max_failure_rate <= 1:
        raise ValueError(f"--max-failure-rate must lie between 0 and 1, got {args.max_failure_rate}")
    return RunSettings(
        work=args.work,
        detectors=tuple(map(tuple, args.teacher)),
        onnx=tuple(args.onnx),
        doors=doors,
        opts=tuple(args.opts),
        classes=tuple(args.classes),
        class_map=args.class_map,
        views=parse_views(args.views) if args.views else (),
        fusion=args.fusion,
        iou=args.fusion_iou,
        floor=args.floor,
        detections_per_image=args.detections,
        scaled_decode=args.scaled_decode,
    )
