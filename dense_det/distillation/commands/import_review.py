"""Take corrected labels back: on the images that a person saw, only the person's boxes stand."""

from collections.abc import Iterator

from dense_det.distillation.label_file import read_labels
from dense_det.distillation.review import merge_review, read_review
from dense_det.distillation.work_folder import write_json

EXAMPLE = """example:
  python tools/pseudo_label.py import-review pseudo.json corrected.xml --out reviewed.json"""


def add_arguments(parser) -> None:
    parser.add_argument("labels", metavar="JSON", help="what select wrote")
    parser.add_argument("review", metavar="FILE", help="Label Studio's JSON export or CVAT's XML")
    parser.add_argument("--out", required=True, metavar="JSON", help="the COCO file to write")


def main(args) -> Iterator[str]:
    if not (reviewed := read_review(args.review)):
        raise ValueError(f"{args.review} has no image that a person annotated")
    coco = read_labels(args.labels)
    try:
        merged = merge_review(coco, reviewed)
    except ValueError as error:
        raise ValueError(f"{args.review}, into {args.labels}: {error}") from error
    write_json(args.out, merged)
    total, added = len(merged["images"]), len(merged["images"]) - len(coco["images"])
    yield (
        f"{args.out}: {len(reviewed)} of {total} images have a person's boxes: "
        f"{len(reviewed) - added} replaced, {added} added"
    )
