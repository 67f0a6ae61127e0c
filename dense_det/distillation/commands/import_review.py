"""Take corrected labels back: on the images that a person saw, only the person's boxes stand.

Images are known by the names that export gave them, by their paths, or by the ends of these. CVAT does not tell which
images somebody looked at: those with all boxes as they were exported are left as they are, and so are those that were
not exported and have none. What was exported, with its
names, stands beside the labels (pseudo.json: pseudo.exported.json, which export writes); without it the labels
themselves are compared, and uploaded boxes on images that the labels dropped count as a person's.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from dense_det.distillation.label_file import read_labels
from dense_det.distillation.review import merge_review
from dense_det.distillation.review_file import read_review
from dense_det.distillation.review_name import ReviewNames
from dense_det.distillation.untouched import hand_on_record, read_record, record_path, split_untouched
from dense_det.distillation.work_folder import write_json

EXAMPLE = """example:
  python tools/pseudo_label.py import-review pseudo.json corrected.xml --out reviewed.json"""

_ASK = "; if a person looked at all of them, and they are right, add --accept-untouched"


def add_arguments(parser) -> None:
    parser.add_argument("labels", metavar="JSON", help="what select wrote, or the --out of another import-review")
    parser.add_argument("review", metavar="FILE", help="Label Studio's JSON export, or CVAT's XML or ZIP")
    parser.add_argument("--out", required=True, metavar="JSON", help="the COCO file to write")
    parser.add_argument("--accept-untouched", action="store_true",
                        help="take CVAT's images without a change, too: a person looked at all of them")  # fmt: skip


def main(args) -> Iterator[str]:
    if not (reviewed := read_review(args.review)):
        raise ValueError(f"{args.review} has no image that a person annotated")
    coco, record, left, unknown = read_labels(args.labels), record_path(args.labels), [], []
    exported = read_record(record)
    files = [row["file_name"] for row in coco["images"]] + [*exported.boxes, *chain(*exported.names.values())]
    names = ReviewNames(dict.fromkeys(files), exported.names)
    try:
        reviewed = [replace(image, file_name=names.find(image.file_name)) for image in reviewed]
        if not args.accept_untouched:
            reviewed, left, unknown = split_untouched(coco, exported, reviewed)
        changed = reviewed + unknown
        if not changed:
            raise ValueError(f"nobody changed a box on any of its {len(left)} images{_ASK}")
        merged = merge_review(coco, changed)
    except ValueError as error:
        raise ValueError(f"{args.review}, into {args.labels}: {error}") from error
    hand_on_record(args.labels, args.out)  # first: the next review goes into the file that is written here
    write_json(args.out, merged)
    rows = merged["images"]
    total, added = sum(row.get("reviewed", False) for row in rows), len(rows) - len(coco["images"])
    emptied = sum(not image.boxes for image in changed)
    yield (
        f"{args.out}: {total} of {len(rows)} images have a person's boxes: {len(changed) - added} replaced, "
        f"{added} added" + (f"; {emptied} of these have no box at all" if emptied else "")
    )
    if unknown:
        yield (
            f"{len(unknown)} of these may be as they were uploaded: they are as an export before the last one wrote "
            f"them, or neither the labels have them nor {record}, where export notes its boxes"
            f"{'' if record.exists() else ' (there is no such file)'}"
        )
    if left:
        yield f"{len(left)} left as they were: nobody changed a box there{_ASK}"
