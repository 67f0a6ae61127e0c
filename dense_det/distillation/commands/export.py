"""Write the most uncertain images for a person to correct, as Label Studio's JSON or CVAT's XML.

Uncertain: scores near the threshold, few votes, views that disagree about the sides. import-review takes the
corrected labels back. For CVAT the boxes are also noted beside the labels (pseudo.json: pseudo.exported.json): that
file tells import-review what nobody changed; keep it.
"""

import os
from collections.abc import Iterator

import numpy as np

from dense_det.distillation.label_file import Extractor
from dense_det.distillation.review import DECIMALS, ReviewBox, ReviewImage, uncertainty, write_cvat, write_label_studio
from dense_det.distillation.rule import REJECTED, read_images, read_rule
from dense_det.distillation.sampling import Smallest
from dense_det.distillation.untouched import add_to_record, record_path
from dense_det.distillation.work_folder import WorkFolder

EXAMPLE = """examples:
  python tools/pseudo_label.py export work/ pseudo.json --out review.json --size 100
  python tools/pseudo_label.py export work/ pseudo.json --out review.xml"""


def add_arguments(parser) -> None:
    parser.add_argument("work", metavar="WORK", help="the work folder")
    parser.add_argument("labels", metavar="JSON", help="what select wrote")
    parser.add_argument("--out", required=True, metavar="FILE", help=".json (Label Studio) or .xml (CVAT)")
    parser.add_argument("--size", type=int, default=100, metavar="N", help="images (default 100)")
    parser.add_argument("--extract", metavar="DIR", help="the folder of select --extract")


def main(args) -> Iterator[str]:
    if not args.out.endswith((".json", ".xml")):
        raise ValueError(f"--out ends with .json (Label Studio) or .xml (CVAT), got {args.out}")
    if os.path.realpath(args.out) == os.path.realpath(args.labels):
        raise ValueError(f"--out {args.out} is the file of labels itself: name another one")
    if args.size < 1:
        raise ValueError(f"--size must be at least 1, got {args.size}")
    work = WorkFolder(args.work)
    plan, manifest = work.read_plan(), work.read_manifest()
    rule, _ = read_rule(args.labels, manifest)
    chosen = Smallest(args.size)
    for image, found in read_images(work.images, plan.num_shards):
        if worth := uncertainty(found, rule):
            chosen.add(-worth, (image, found))
    file_name, images = Extractor(args.extract), []
    for image, found in chosen.items():
        size = np.array([image.width, image.height] * 2, np.float32)
        boxes = []
        for row in np.flatnonzero(rule.verdicts(found) != REJECTED):
            sides = tuple(round(float(side), DECIMALS) for side in found.boxes[row].clip(0, size))
            boxes.append(ReviewBox(manifest.classes[found.classes[row]], sides, round(float(found.scores[row]), 5)))
        images.append(ReviewImage(file_name(image), image.width, image.height, tuple(boxes)))
    if args.out.endswith(".xml"):
        add_to_record(record_path(args.labels), images)  # first: what may come back is known
        write_cvat(args.out, images, manifest.classes)
    else:
        write_label_studio(args.out, images, manifest.sha256[:12])
    yield f"{args.out}: {len(images)} images, {sum(len(image.boxes) for image in images)} boxes"
