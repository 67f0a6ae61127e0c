"""Take corrected labels back: on the images that a person saw, only the person's boxes stand."""

import json
from collections.abc import Iterator

from dense_det.distillation.review import merge_review, read_cvat, read_label_studio
from dense_det.distillation.work_folder import write_json

EXAMPLE = """example:
  python tools/pseudo_label.py import-review pseudo.json corrected.xml --out reviewed.json"""


def add_arguments(parser) -> None:
    parser.add_argument("labels", metavar="JSON", help="what select wrote")
    parser.add_argument("review", metavar="FILE", help="Label Studio's JSON export or CVAT's XML")
    parser.add_argument("--out", required=True, metavar="JSON", help="the COCO file to write")


def main(args) -> Iterator[str]:
    try:
        reviewed = read_cvat(args.review) if args.review.endswith(".xml") else read_label_studio(args.review)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{args.review}: no export of Label Studio or CVAT ({type(error).__name__}: {error})"
        ) from error
    if not reviewed:
        raise ValueError(f"{args.review} has no image that a person annotated")
    with open(args.labels, encoding="utf-8") as file:
        coco = json.load(file)
    write_json(args.out, merge_review(coco, reviewed))
    yield f"{args.out}: {len(reviewed)} of {len(coco['images'])} images have a person's boxes"
