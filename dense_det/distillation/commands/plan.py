"""Freeze the list of images to label.

Sources are folders, globs, list files (.txt, one path a line), COCO files (.json, their "images"), tar files, PDFs
and image files. Bytes that were seen before, or stand in a labelled file, are left out.
"""

import os
from collections.abc import Iterator

from dense_det.deploy.facts import trained_classes
from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.plan_text import as_text
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.progress import read_progress
from dense_det.distillation.run_settings import Detectron2Doors, RunSettings, open_labeller
from dense_det.distillation.sources import Expansion
from dense_det.distillation.trial_pace import trial_pace
from dense_det.distillation.work_folder import WorkFolder

EXAMPLE = """example:
  python tools/pseudo_label.py plan work/ scans/ more/*.tar pages.txt \\
      --labelled-json train.json --labelled-images images/ --val-json val.json --val-images images/"""


def add_arguments(parser) -> None:
    parser.add_argument("work", metavar="WORK", help="the work folder to make")
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="where the images are")
    parser.add_argument("--image-root", metavar="DIR",
                        help="what names in .txt and .json are relative to (default: the file's folder)")  # fmt: skip
    parser.add_argument("--labelled-json", metavar="JSON", help="COCO file that teacher and student train on")
    parser.add_argument("--labelled-images", metavar="DIR", help="the folder of its images (default: that of the file)")
    parser.add_argument("--val-json", metavar="JSON", help="COCO file on which thresholds are judged")
    parser.add_argument("--val-images", metavar="DIR", help="the folder of its images (default: that of the file)")
    parser.add_argument("--exclude", nargs=2, action="append", default=[], metavar=("JSON", "IMAGES"),
                        help="another labelled set (test) whose images must not be labelled here")  # fmt: skip
    parser.add_argument("--skip", nargs="+", default=[], metavar="DIR",
                        help="folders to leave out (WORK always is)")  # fmt: skip
    parser.add_argument("--shard-size", type=int, default=256, metavar="N", help="images of a shard (default 256)")
    parser.add_argument("--max-pixels", type=int, default=100_000_000, metavar="N",
                        help="leave larger images out (default 100,000,000)")  # fmt: skip
    parser.add_argument("--pdf-dpi", type=int, default=150, metavar="N", help="resolution of PDF pages (default 150)")
    parser.add_argument("--decode", action="store_true", help="decode every image in full: slower, finds more damage")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads that read images (default 2)")
    parser.add_argument("--teacher", nargs=2, action="append", default=[], metavar=("CONFIG", "WEIGHTS"),
                        help="as of run: tried on a few images under its own views, for the expected time")  # fmt: skip
    parser.add_argument("--onnx", action="append", default=[], metavar="FILE", help="as of run: tried, too")
    parser.add_argument("--seconds-per-image", type=float, metavar="S",
                        help="of the teacher, as `status` of another folder tells it")  # fmt: skip


def main(args) -> Iterator[str]:
    for name in ("shard_size", "max_pixels", "pdf_dpi", "workers"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(args, name)}")
    if args.seconds_per_image is not None and not args.seconds_per_image > 0:
        raise ValueError(f"--seconds-per-image must be more than 0, got {args.seconds_per_image}")
    settings = PlanSettings(
        sources=tuple(args.sources),
        shard_size=args.shard_size,
        labelled=_coco(args.labelled_json, args.labelled_images),
        validation=_coco(args.val_json, args.val_images),
        exclude=tuple(CocoFiles(*pair) for pair in args.exclude),
        expansion=Expansion(args.image_root, args.pdf_dpi, tuple(map(os.path.abspath, (args.work, *args.skip)))),
        max_pixels=args.max_pixels,
        workers=args.workers,
        decode=args.decode,
    )
    work = WorkFolder(args.work)
    plan = make_plan(work, settings)
    # planned again after a run: its pace is known
    pace = args.seconds_per_image or (read_progress(work).seconds_per_image if work.manifest_path.exists() else None)
    if not pace and (args.teacher or args.onnx):
        own = trained_classes(args.teacher[0][1]) if args.teacher and not plan.labelled else ()
        settings = RunSettings(
            work=args.work,
            detectors=tuple(map(tuple, args.teacher)),
            onnx=tuple(args.onnx),
            doors=Detectron2Doors(args.load_cfg, args.load_model),
            classes=own,
        )
        pace = trial_pace(work, open_labeller(settings))
    yield as_text(plan, pace)


def _coco(json_file, image_root) -> CocoFiles | None:
    if json_file is None:
        return None
    return CocoFiles(json_file, image_root or os.path.dirname(json_file) or ".")
