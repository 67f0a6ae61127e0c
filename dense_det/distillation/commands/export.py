"""Write the most uncertain images for a person to correct, as Label Studio's JSON or CVAT's XML.

Uncertain: scores near the threshold, few votes, views that disagree about the sides. Images are named by their paths
from a folder that the last line names, with what is to be done with it; for Label Studio a labelling config is written,
too (review.json: review.config.xml). import-review takes the corrected labels back. The names, and for CVAT the boxes,
are also noted beside the labels (pseudo.json: pseudo.exported.json): that file tells import-review which images are
meant, and what nobody changed; keep it.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from dense_det.distillation.cvat import write_cvat
from dense_det.distillation.image_name import printable
from dense_det.distillation.image_zip import write_image_zip
from dense_det.distillation.label_file import Extractor, read_labels
from dense_det.distillation.label_studio import write_label_config, write_label_studio
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.review import DECIMALS, ReviewBox, ReviewImage, uncertainty
from dense_det.distillation.review_name import common_folder, names_below
from dense_det.distillation.rule import REJECTED, Rule, read_images, read_rule
from dense_det.distillation.sampling import Smallest
from dense_det.distillation.shard_file import ImagePredictions
from dense_det.distillation.untouched import add_to_record, record_path
from dense_det.distillation.work_folder import InputImage, WorkFolder

EXAMPLE = """examples:
  python tools/pseudo_label.py export work/ pseudo.json --out review.json --size 100
  python tools/pseudo_label.py export work/ pseudo.json --out review.xml --zip"""


def add_arguments(parser) -> None:
    parser.add_argument("work", metavar="WORK", help="the work folder")
    parser.add_argument("labels", metavar="JSON", help="what select wrote")
    parser.add_argument("--out", required=True, metavar="FILE", help=".json (Label Studio) or .xml (CVAT)")
    parser.add_argument("--size", type=int, default=100, metavar="N", help="images (default 100)")
    parser.add_argument("--extract", metavar="DIR", help="the folder of select --extract")
    parser.add_argument("--root", metavar="DIR",
                        help="name images by their paths from here: CVAT's share, Label Studio's document root "
                        "(default: the innermost folder above all of them, for Label Studio its parent)")  # fmt: skip
    parser.add_argument("--reviewed", metavar="JSON",
                        help="what import-review wrote: images with a person's boxes there are left out")  # fmt: skip
    parser.add_argument("--zip", action="store_true",
                        help="CVAT: write the images, too (review.xml: review.zip), to make the task of")  # fmt: skip


def main(args) -> Iterator[str]:
    if not args.out.endswith((".json", ".xml")):
        raise ValueError(f"--out ends with .json (Label Studio) or .xml (CVAT), got {args.out}")
    if os.path.realpath(args.out) in {os.path.realpath(file) for file in (args.labels, args.reviewed) if file}:
        raise ValueError(f"--out {args.out} is a file of labels itself: name another one")
    if args.zip and not args.out.endswith(".xml"):
        raise ValueError(f"--zip is for CVAT, whose --out ends with .xml, got {args.out}")
    if args.size < 1:
        raise ValueError(f"--size must be at least 1, got {args.size}")
    work = WorkFolder(args.work)
    plan, manifest = work.read_plan(), work.read_manifest()
    rule, _ = read_rule(args.labels, manifest)
    found = read_images(work.images, plan.num_shards)
    rows = read_labels(args.reviewed)["images"] if args.reviewed else ()
    reviewed = {row["file_name"] for row in rows if row.get("reviewed")}
    images = _most_uncertain(found, rule, manifest.classes, args.size, Extractor(args.extract), reviewed)
    yield from (_to_cvat if args.out.endswith(".xml") else _to_label_studio)(args, images, manifest)


def _most_uncertain(
    predictions: Iterable[tuple[InputImage, ImagePredictions]],
    rule: Rule,
    classes: list[str],
    size: int,
    file_name: Extractor,
    reviewed: set[str],
) -> list[ReviewImage]:
    """At most `size` images, the most uncertain one first; none of `reviewed`."""
    chosen = Smallest(size)
    for image, found in predictions:
        if (worth := uncertainty(found, rule)) and not (reviewed and file_name.name_of(image) in reviewed):
            chosen.add(-worth, (image, found))
    # in their order: members of a tar file are read on the way, and only once
    in_order = sorted((image for image, _ in chosen.items()), key=lambda image: image.id)
    names, images = {image.id: file_name(image) for image in in_order}, []
    for image, found in chosen.items():
        sides_of_image = np.array([image.width, image.height] * 2, np.float32)
        boxes = []
        for row in np.flatnonzero(rule.verdicts(found) != REJECTED):
            sides = tuple(round(float(side), DECIMALS) for side in found.boxes[row].clip(0, sides_of_image))
            boxes.append(ReviewBox(classes[found.classes[row]], sides, round(float(found.scores[row]), 5)))
        images.append(ReviewImage(names[image.id], image.width, image.height, tuple(boxes)))
    return images


def _to_cvat(args, images: list[ReviewImage], manifest: Manifest) -> Iterator[str]:
    root = os.path.abspath(args.root) if args.root else common_folder(image.file_name for image in images)
    names, by_stem = names_below(root, [image.file_name for image in images]), {}
    for image in images:  # CVAT looks for a frame by its name without the ending: a.jpg and a.png were one
        by_stem.setdefault(os.path.splitext(names[image.file_name])[0], image)
    kept = list(by_stem.values())
    names = {image.file_name: names[image.file_name] for image in kept}
    packed = Path(args.out).with_suffix(".zip")
    if args.zip:
        write_image_zip(packed, names)
    add_to_record(record_path(args.labels), kept, names)  # first: what may come back is known
    write_cvat(args.out, _renamed(kept, names), manifest.classes)
    yield _written(args.out, kept)
    if left := len(images) - len(kept):
        yield f"{left} left out: CVAT cannot tell a.jpg from a.png in one folder; --out FILE.json has them, too"
    if kept:
        named = f"from exactly these images, named by their paths from {printable(root)}, as in the zip of --zip"
        classes = ", ".join(manifest.classes)
        yield (
            f"CVAT: make the task {f'of {packed}' if args.zip else named}, with the labels {classes}; then upload the "
            "file as CVAT 1.1"
        )


def _to_label_studio(args, images: list[ReviewImage], manifest: Manifest) -> Iterator[str]:
    # Label Studio serves what lies in a "local storage": a folder below its document root, never the root itself
    folder = common_folder(image.file_name for image in images)
    root = os.path.abspath(args.root) if args.root else os.path.dirname(folder)
    names = names_below(root, [image.file_name for image in images])
    if bare := next((name for name in names.values() if "/" not in name), None):
        raise ValueError(
            f"{printable(bare)} lies in the document root {root} itself, which Label Studio does not serve: "
            "give a --root above"
        )
    storages = {folder} if folder != root else {os.path.join(root, name.split("/")[0]) for name in names.values()}
    storages = " and ".join(map(printable, sorted(storages)))
    config = Path(args.out).with_suffix(".config.xml")
    add_to_record(record_path(args.labels), (), names)
    write_label_config(config, manifest.classes)
    write_label_studio(args.out, _renamed(images, names))
    yield _written(args.out, images)
    if images:
        yield (
            "Label Studio: start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
            f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={printable(root)}, make a project with the labelling config "
            f"{config}, add the local storage {storages} to it, without a sync, and import the file"
        )


def _renamed(images: list[ReviewImage], names: dict[str, str]) -> list[ReviewImage]:
    return [replace(image, file_name=names[image.file_name]) for image in images]


def _written(path: str, images: list[ReviewImage]) -> str:
    return f"{path}: {len(images)} images, {sum(len(image.boxes) for image in images)} boxes"
