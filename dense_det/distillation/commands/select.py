"""Choose score thresholds, judge the labels they leave, and write them as one COCO file.

No inference: all is in the work folder. `density` keeps as many boxes an image as the labelled set has, `precision`
and `f1` look at the labelled validation images, `fixed` takes your word. Boxes below the threshold, but from
--ignore-share of it on, become ignore regions (iscrowd): too good for background, not good enough for a label.
Images without a kept box are dropped unless --empty keep: they are more often a miss of the teacher than an empty
page, and training's DATALOADER.FILTER_EMPTY_ANNOTATIONS leaves them out anyway.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.label_file import Extractor, LabelCounts, write_labels
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.rule import (
    Rule,
    file_digest,
    manifest_path,
    read_columns,
    read_inputs_and_shards,
    read_shards,
)
from dense_det.distillation.selection import Quality, density_thresholds, quality, refusals, validated_thresholds
from dense_det.distillation.work_folder import Plan, WorkFolder, write_json
from dense_det.evaluation.detections import Prediction, gather_detections
from dense_det.evaluation.ground_truth import load_ground_truth
from dense_det.evaluation.matching import match
from dense_det.terminal import output_file

logger = logging.getLogger(__name__)

EXAMPLE = """examples:
  python tools/pseudo_label.py select work/ --out pseudo.json
  python tools/pseudo_label.py select work/ --out pseudo.json --rule precision --value 0.9 --extract pages/"""

RULES = ("density", "precision", "f1", "fixed")
MATCH_IOU = 0.5


def add_arguments(parser) -> None:
    parser.add_argument("work", metavar="WORK", help="a work folder whose run is finished")
    parser.add_argument("--out", required=True, type=output_file, metavar="JSON", help="the COCO file to write")
    parser.add_argument("--rule", choices=RULES, default="density", help="where thresholds come from (default density)")
    parser.add_argument("--value", type=float, metavar="P", help="least precision, or the fixed score")
    parser.add_argument("--per-class", action="store_true", help="density: a threshold for each class, and "
                        "the density of none off by more than 2x")  # fmt: skip
    parser.add_argument("--ignore-share", type=float, default=0.5, metavar="S",
                        help="unsure from this share of the threshold on (default 0.5)")  # fmt: skip
    parser.add_argument("--min-votes", type=float, default=0.0, metavar="S",
                        help="unsure with fewer votes than this share of the views (default 0)")  # fmt: skip
    parser.add_argument("--empty", choices=("drop", "keep"), default="drop", help="images without a kept box")
    parser.add_argument("--extract", metavar="DIR", help="write members of tar files and PDF pages there as PNG")
    parser.add_argument("--force", action="store_true", help="write in spite of the reasons against it")


def main(args) -> Iterator[str]:
    require_numbers(args)
    work = WorkFolder(args.work)
    plan, manifest = work.read_plan(), work.read_manifest()
    num_images = plan.num_images - work.join_failures(plan)
    instances = labelled_instances(plan, manifest)
    judged = read_validation(work, plan, manifest, args.min_votes) if plan.validation else None
    thresholds = _thresholds(args, work, plan, manifest, num_images, instances, judged)
    rule = Rule(thresholds, args.ignore_share, args.min_votes)
    found = quality(*judged, thresholds) if judged else None
    kept = count_kept(work, plan, rule)
    yield from _table(manifest, plan, instances, thresholds, kept, num_images, found)
    num_labelled = plan.labelled["images"] if plan.labelled else 0
    words = manifest.classes, kept, num_images, instances, num_labelled
    reasons, odd = refusals(*words, args.per_class), refusals(*words, per_class=True)
    yield from (f"note: {reason}" for reason in odd if reason not in reasons)  # of one class among others
    if reasons := _unknown_classes(plan, manifest) + reasons:
        for reason in reasons:
            yield f"against it: {reason}"
        if not args.force:
            raise ValueError("nothing is written for these reasons; another --rule, or --force")
    about = _about(args, manifest, rule)
    info = {"description": "pseudo-labels: made by a detector, not by people", "pseudo_labels": about}
    counts = write_labels(
        args.out, manifest.classes, read_inputs_and_shards(work.images, plan.num_shards), rule, info,
        args.empty == "keep", Extractor(args.extract),
    )  # fmt: skip
    write_json(manifest_path(args.out), about | _results(args, manifest, counts, found))
    yield f"{args.out}: {counts.images} images, {counts.kept.sum()} labels, {counts.unsure.sum()} ignore regions"
    yield f"images without a label: {counts.empty}, " + ("kept" if args.empty == "keep" else "dropped")


def require_numbers(args) -> None:
    """ValueError: a rule without its value, a value that it has no use for, or a number out of its range."""
    if (args.value is None) == (args.rule in ("precision", "fixed")):
        raise ValueError(f"--rule {args.rule} " + ("needs --value" if args.value is None else "takes no --value"))
    if args.value is not None and not 0 < args.value <= 1:
        raise ValueError(f"--value is a precision or a score, more than 0 and at most 1, got {args.value:g}")
    for name, share in (("--ignore-share", args.ignore_share), ("--min-votes", args.min_votes)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is a share from 0 to 1, got {share:g}")


def _unknown_classes(plan: Plan, manifest: Manifest) -> list[str]:
    known = plan.labelled["per_class"] if plan.labelled else manifest.classes
    unlabelled = [
        f"the teacher has no class {name!r}, which the labelled set has: training on both needs the same classes, and "
        "objects of this one would be background here"
        for name in known
        if name not in manifest.classes
    ]
    return unlabelled + [
        f"the labelled set has no class {name!r}, only {', '.join(known)}: its labels would be another class"
        for name in manifest.classes
        if name not in known
    ]


def labelled_instances(plan: Plan, manifest: Manifest) -> list[int] | None:
    """(K,) instances of the labelled set, or None without one."""
    return [plan.labelled["per_class"].get(name, 0) for name in manifest.classes] if plan.labelled else None


def read_validation(work: WorkFolder, plan: Plan, manifest: Manifest, min_votes: float):
    """Truth of the validation images, the teacher's detections with enough votes on them, and which found what.

    Raises:
        ValueError: shards that are not finished, a truth that is cut short, or a class of the teacher that it does not
            know.
    """
    names = CocoFiles(str(work.truth_path), "").load()  # a copied folder may have lost the end of it
    of_name = dict(zip(names.class_names, names.category_ids, strict=True))
    if missing := [name for name in manifest.classes if name not in of_name]:
        raise ValueError(f"{work.truth_path} has no class {missing[0]!r}, only {list(of_name)}")
    truth = load_ground_truth(work.truth_path, {of_name[name]: k for k, name in enumerate(manifest.classes)})
    predictions = [
        Prediction(found.image_id, found.boxes[enough], found.scores[enough], found.classes[enough])
        for shard in read_shards(work.validation, plan.num_validation_shards)
        for found in shard
        for enough in [found.votes >= min_votes]
    ]
    if lost := len(truth.images) - len(predictions):
        logger.warning("%d of %d validation images have no answer: all on them is missed", lost, len(truth.images))
    detections = gather_detections(predictions, truth)
    # all of them, not COCO's best 100 of a class: labels are made of all
    return truth, detections, match(truth, detections, MATCH_IOU, most=None)


def read_scores(work: WorkFolder, plan: Plan, min_votes: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Scores and classes of the boxes with enough votes, one shard after the other."""
    for scores, classes, votes in read_columns(work.images, plan.num_shards, "scores", "classes", "votes"):
        yield scores[votes >= min_votes], classes[votes >= min_votes]


def count_kept(work: WorkFolder, plan: Plan, rule: Rule) -> np.ndarray:
    """(K,) kept boxes."""
    kept = np.zeros(len(rule.thresholds), np.int64)
    for scores, classes in read_scores(work, plan, rule.min_votes):
        kept += np.bincount(classes[scores >= rule.thresholds[classes]], minlength=len(kept))
    return kept


def _thresholds(args, work, plan, manifest, num_images, instances, judged) -> np.ndarray:
    if args.rule == "fixed":
        return np.full(len(manifest.classes), args.value, np.float32)
    if args.rule == "density":
        if instances is None or not plan.labelled["images"]:
            raise ValueError(
                "density needs a labelled set: plan with --labelled-json, or choose --rule fixed --value 0.5"
            )
        return density_thresholds(
            lambda: read_scores(work, plan, args.min_votes),
            num_images, instances, plan.labelled["images"], args.per_class,
        )  # fmt: skip
    if judged is None:
        raise ValueError(f"--rule {args.rule} needs validation images: plan with --val-json, or choose density")
    return validated_thresholds(*judged, least=args.value)


def _table(manifest, plan, instances, thresholds, kept, num_images, found: Quality | None) -> Iterator[str]:
    yield f"{'class':<20} threshold  kept/image  labelled/image  precision  recall    ECE"
    images, labelled = max(1, num_images), plan.labelled["images"] if plan.labelled else 0
    nothing = float("nan")
    for k, name in enumerate([*manifest.classes, "all"]):
        whole = k == len(manifest.classes)
        per_image = (kept.sum() if whole else kept[k]) / images
        wanted = (sum(instances) if whole else instances[k]) / labelled if labelled else nothing
        rates = (nothing,) * 3
        if found:
            rates = found.overall if whole else (found.precision[k], found.recall[k], found.calibration_error[k])
        threshold = f"{thresholds[k]:9.4f}" if not whole else " " * 9
        shares = "  ".join(f"{rate:{width}.3f}" for rate, width in zip(rates, (9, 6, 5), strict=True))
        yield f"{name:<20} {threshold}  {per_image:10.2f}  {wanted:14.2f}  {shares}"


def _about(args, manifest: Manifest, rule: Rule) -> dict:
    """What stands in the label file itself, too: who made the labels, and how."""
    thresholds = [float(score) if np.isfinite(score) else None for score in rule.thresholds]
    return {
        "manifest_sha256": manifest.sha256,
        "teachers": manifest.teachers,
        "views": manifest.views,
        "rule": args.rule,
        "value": args.value,
        "per_class": args.per_class,
        "thresholds": dict(zip(manifest.classes, thresholds, strict=True)),
        "ignore_share": rule.ignore_share,
        "min_votes": rule.min_votes,
    }


def _results(args, manifest: Manifest, counts: LabelCounts, found: Quality | None) -> dict:
    def by_class(values) -> dict:
        return {n: v if v == v else None for n, v in zip(manifest.classes, values.tolist(), strict=True)}

    judged = None
    if found:
        columns = {"precision": found.precision, "recall": found.recall, "calibration_error": found.calibration_error}
        judged = {name: by_class(values) for name, values in columns.items()}
    return {
        "work": str(Path(args.work).absolute()),
        "labels_sha256": file_digest(args.out),
        "images": counts.images,
        "empty": counts.empty,
        "kept": by_class(counts.kept),
        "unsure": by_class(counts.unsure),
        "validation": judged,
    }
