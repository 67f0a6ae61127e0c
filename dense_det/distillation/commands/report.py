"""Show on one HTML page what was labelled: counts, scores, drift, pace, pictures of all kinds, failures.

The page needs no network and no other file. --redact leaves a coarse blur of each picture, since text and faces also
stand where the teacher found nothing; boxes, classes and scores stay. It names no file: "image 17" is the one with that
id in WORK/inputs, on every page of this work folder.
"""

import dataclasses
import html
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.distillation.commands.select import labelled_instances
from dense_det.distillation.histogram import score_chart
from dense_det.distillation.image_name import full_name, printable, reason_without_name, short_name
from dense_det.distillation.image_reader import BadImage, ImageReader
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.progress import read_progress
from dense_det.distillation.report import KINDS, Findings, boxes_of_kind, gather, labelled_sides
from dense_det.distillation.rule import KEPT, Rule, read_images, read_rule
from dense_det.distillation.web_page import figure, html_page, redact, table
from dense_det.distillation.work_folder import Plan, WorkFolder
from dense_det.drawing import class_color, draw_boxes, resize
from dense_det.terminal import output_file

EXAMPLE = """example:
  python tools/pseudo_label.py report work/ pseudo.json --out report.html --redact"""

_LONGEST = 260  # pixels of a picture: 200 of them are about 3 MB
_SAYING = {
    "accepted": "boxes that became labels",
    "unsure": "boxes that became ignore regions: too good for background, not good enough for a label",
    "rejected": "the best boxes below that: if many are right, the threshold is too high",
    "empty": "images with nothing kept and nothing unsure: if many are not empty, the teacher misses things",
}


def add_arguments(parser) -> None:
    parser.add_argument("work", metavar="WORK", help="the work folder")
    parser.add_argument("labels", metavar="JSON", help="what select wrote")
    parser.add_argument("--out", required=True, type=output_file, metavar="HTML", help="the page to write")
    parser.add_argument("--pictures", type=int, default=50, metavar="N", help="of each kind (default 50)")
    parser.add_argument(
        "--redact", action="store_true", help="blur each picture whole, boxes stay drawn; name no files"
    )


def main(args) -> Iterator[str]:
    if args.pictures < 0:
        raise ValueError(f"--pictures must be 0 or more, got {args.pictures}")
    work = WorkFolder(args.work)
    plan, manifest = work.read_plan(), work.read_manifest()
    rule, about = read_rule(args.labels, manifest)
    found = gather(read_images(work.images, plan.num_shards), rule, args.pictures)
    thresholds = ", ".join(sorted({f"{score:.4f}" for score in rule.thresholds if np.isfinite(score)}))
    sections = [
        f'<p class="soft">{"" if args.redact else html.escape(printable(args.labels)) + ": "}'
        f"rule {html.escape(str(about['rule']))}, threshold {thresholds}</p>",
        _section("Counts", _counts(plan, found, about) + "<p></p>" + _classes(plan, manifest, found, rule, about)),
        _section("Scores", _charts(manifest, found, rule), "Kept ones in blue; the height is the root of the number."),
        _section("Teacher and pace", _teacher(manifest) + _progress(work, args.redact)),
    ]
    reader = ImageReader()
    for kind in KINDS:
        pictures = [
            _picture(reader, kind, example, rule, manifest, args.redact)
            # in the list's order: a tar file is read from its beginning again for a member that lies behind
            for example in sorted(found.examples[kind].items(), key=lambda example: example[0].id)
        ]
        gallery = f'<div class="gallery">{"".join(pictures)}</div>' if pictures else "<p>none</p>"
        sections.append(_section(f"{kind.capitalize()}: {len(pictures)} pictures at random", gallery, _SAYING[kind]))
    reader.close()
    sections.append(_section("Failures", _failures(work, plan, args.pictures, args.redact)))
    with atomic_file(args.out) as file:
        file.write(html_page("Pseudo-labels", "\n".join(sections)))
    yield f"{args.out}: {found.images} images, {found.totals[KEPT].sum()} labels"


def _section(title: str, body: str, saying: str = "") -> str:
    soft = f'<p class="soft">{html.escape(saying)}</p>' if saying else ""
    return f"<section><h2>{html.escape(title)}</h2>{soft}{body}</section>"


def _counts(plan: Plan, found: Findings, about: dict) -> str:
    boxes = found.totals.sum(1).tolist()  # unsure ones also of images that are not in the file
    rows = [
        ["images planned", plan.num_images],
        ["left out by the plan", sum(plan.counts.values())],
        ["images labelled", found.images],
        ["images without a label", found.without_label],
        ["images in the file", about["images"]],
        ["labels", boxes[KEPT]],
        ["ignore regions", sum(about["unsure"].values())],
        ["boxes above the floor", sum(boxes)],
    ]
    return table(["", "number"], rows)


def _classes(plan: Plan, manifest: Manifest, found: Findings, rule: Rule, about: dict) -> str:
    """Density, size and judged quality of each class against the labelled set."""
    instances, sides = labelled_instances(plan, manifest), np.full(len(manifest.classes), np.nan)
    if plan.labelled:
        try:
            sides = labelled_sides(plan.labelled["json_file"], manifest.classes)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # the file is gone or changed since the plan: the rest of the page stands without it
    judged = about.get("validation") or {}
    rows = []
    for k, name in enumerate(manifest.classes):
        kept = int(found.totals[KEPT, k])
        wanted = instances[k] / plan.labelled["images"] if instances and plan.labelled["images"] else None
        rates = [judged.get(key, {}).get(name) for key in ("precision", "recall", "calibration_error")]
        size = float(found.side_sum[k] / kept) if kept else None
        rows.append(
            [name, kept, float(rule.thresholds[k]), kept / max(1, found.images), wanted, size, float(sides[k]), *rates]
        )
    header = ["class", "labels", "threshold", "per image", "labelled set's", "mean side", "labelled set's"]
    return table([*header, "precision", "recall", "ECE"], rows)


def _charts(manifest: Manifest, found: Findings, rule: Rule) -> str:
    charts = [
        score_chart(name, found.scores.counts[k], float(rule.thresholds[k])) for k, name in enumerate(manifest.classes)
    ]
    return f'<div class="charts">{"".join(charts)}</div>'


def _teacher(manifest: Manifest) -> str:
    teachers = [[*(str(t.get(key) or "") for key in ("name", "kind", "weights_sha256"))] for t in manifest.teachers]
    teachers = [[name, kind, digest[:16]] for name, kind, digest in teachers]
    views = ", ".join(f"{v.get('short_edge') or 'own'}{' mirrored' if v.get('flip') else ''}" for v in manifest.views)
    fusion = html.escape(" ".join(str(value) for value in manifest.fusion.values()))
    return table(["teacher", "kind", "weights"], teachers) + f"<p>views: {html.escape(views)}; fusion: {fusion}</p>"


def _progress(work: WorkFolder, hide: bool) -> str:
    progress = read_progress(work)
    if hide:  # a reason may hold a name behind its first words
        kinds = {name: _kinds(getattr(progress, name)) for name in ("failures", "validation_failures", "bad")}
        progress = dataclasses.replace(progress, **kinds)
    return f"<pre>{html.escape(str(progress))}</pre>"


def _kinds(reasons: Counter) -> Counter:
    kinds = Counter()
    for reason, number in reasons.items():
        kinds[reason.partition(":")[0]] += number
    return kinds


def _picture(reader: ImageReader, kind: str, example, rule: Rule, manifest: Manifest, hide: bool) -> str:
    image, found = example
    name = short_name(image, hide)
    try:
        pixels = reader.read(image)
    except BadImage as error:
        return figure(None, f"{name}: {reason_without_name(str(error), image) if hide else error}")
    rows = boxes_of_kind(kind, example, rule)
    if hide:
        pixels = redact(pixels)
    # drawn at the size that is shown, so that lines and letters can be seen
    scale = min(1.0, 2 * _LONGEST / max(pixels.shape[:2]))
    colors = [class_color(int(k)) for k in found.classes[rows]]
    drawn = draw_boxes(resize(pixels, scale), found.boxes[rows] * scale, colors=colors, width=3)
    names = Counter(manifest.classes[k] for k in found.classes[rows])
    words = ", ".join(f"{number} {word}" for word, number in names.most_common(4))
    scores = f", scores {found.scores[rows].min():.2f} to {found.scores[rows].max():.2f}" if len(rows) else ""
    return figure(drawn, f"{name}: {words or 'no box'}{scores}", _LONGEST)


def _failures(work: WorkFolder, plan: Plan, most: int, hide: bool) -> str:
    work.join_failures(plan)
    counts, rows = Counter({"images could not be labelled": 0}), defaultdict(list)
    for failure in work.read_failures(plan):
        kind = "images could not be labelled"
        if failure.id is None or failure.validation:
            kind = "bad files were left out by plan" if failure.id is None else f"validation {kind}"
        counts[kind] += 1
        if counts[kind] <= most:
            reason = reason_without_name(failure.reason, failure) if hide else printable(failure.reason)
            rows[kind].append([full_name(failure, hide), reason])
    return "".join(
        f"<p>{number:,} {kind}"
        + (f"; the first {len(rows[kind])}:</p>{table(['file', 'reason'], rows[kind])}" if rows[kind] else ".</p>")
        for kind, number in counts.items()
    )
