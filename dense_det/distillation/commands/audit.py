"""Draw a random sample of labels for a person to judge; from the answers, a precision and its interval.

Without --answers it writes OUT/index.html (keys: y, n, backspace, arrows; it saves answers.json, and the browser
remembers them until then) and OUT/answers.csv, to fill in where one likes. With --answers it prints the precision of
each class and of all labels, every class and band of scores weighted by its number of labels, its 95 % interval where
there are 10 answers, and how many more answers would make that +-0.05 (--margin). For those draw a second sample, with
another --seed and --out, and give the answers to both.
"""

import hashlib
import html
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.distillation.audit import (
    answer_rows,
    estimates,
    has_answers,
    join_answers,
    read_answers,
    read_strata,
    write_answers,
    write_strata,
)
from dense_det.distillation.image_name import full_name
from dense_det.distillation.image_reader import BadImage, ImageReader
from dense_det.distillation.rule import read_images, read_rule
from dense_det.distillation.sampling import Drawn, draw_sample
from dense_det.distillation.web_page import html_page, jpeg_address
from dense_det.distillation.work_folder import WorkFolder
from dense_det.drawing import draw_boxes, resize

EXAMPLE = """examples:
  python tools/pseudo_label.py audit work/ pseudo.json --out audit/ --size 200
  python tools/pseudo_label.py audit work/ pseudo.json --out audit/ --answers audit/answers.csv
  python tools/pseudo_label.py audit work/ pseudo.json --out more/ --size 300 --seed 1"""

_SCRIPT = """
const element = id => document.getElementById(id), sample = JSON.parse(element("rows").textContent);
const rows = sample.rows, boxes = document.querySelectorAll(".card"), kept = "audit " + sample.key;
let at = 0;
try { (JSON.parse(localStorage.getItem(kept)) || []).forEach((text, i) => { rows[i].answer = text; }); } catch (e) {}
function show() {
  boxes.forEach((box, i) => { box.hidden = i !== at; });
  for (const text of ["yes", "no"]) element(text).classList.toggle("chosen", rows[at].answer === text);
  const done = rows.filter(r => r.answer).length, end = done === rows.length ? ": all, save answers.json" : "";
  element("state").textContent = `${at + 1} of ${rows.length}, ${done} answered${end}`;
}
function go(place) { at = Math.max(0, Math.min(place, rows.length - 1)); show(); }
function answer(text) {
  rows[at].answer = text;
  try { localStorage.setItem(kept, JSON.stringify(rows.map(r => r.answer))); } catch (e) {}
  go(at + 1);
}
function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(rows, null, 1)], {type: "application/json"}));
  link.download = "answers.json"; link.click();
}
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.repeat) return;
  const act = {
    y: () => answer("yes"), n: () => answer("no"), backspace: () => go(at - 1), arrowleft: () => go(at - 1),
    arrowright: () => go(at + 1),
  }[e.key.toLowerCase()];
  if (act) { e.preventDefault(); act(); }
});
const next = rows.findIndex(r => !r.answer);
go(next < 0 ? rows.length - 1 : next);
"""


def add_arguments(parser) -> None:
    parser.add_argument("work", metavar="WORK", help="the work folder")
    parser.add_argument("labels", metavar="JSON", help="what select wrote")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the sample")
    parser.add_argument("--size", type=int, default=200, metavar="N", help="labels to judge (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default 0)")
    parser.add_argument("--answers", nargs="+", metavar="FILE", help="answers.json or filled-in CSVs, of all samples")
    parser.add_argument("--margin", type=float, default=0.05, metavar="X", help="plan for +-X (default 0.05)")


def main(args) -> Iterator[str]:
    work, out = WorkFolder(args.work), Path(args.out)
    plan, manifest = work.read_plan(), work.read_manifest()
    rule, about = read_rule(args.labels, manifest)
    if not 0 < args.margin < 0.5:
        raise ValueError(f"--margin must lie between 0 and 0.5, got {args.margin}")
    if args.answers:
        yield from _judge(args, manifest.classes, about["labels_sha256"])
        return
    if args.size < 1:
        raise ValueError(f"--size must be at least 1, got {args.size}")
    if has_answers(path := out / "answers.csv"):
        raise ValueError(f"{path} has answers already: judge by them with --answers {path}, or give another --out")
    sample, population = draw_sample(read_images(work.images, plan.num_shards), rule, args.size, args.seed)
    if not sample:
        raise ValueError(f"{args.labels} keeps no label to draw from")
    rows = answer_rows(sample, manifest.classes, about["labels_sha256"])
    write_strata(out / "strata.json", population, about["labels_sha256"])
    write_answers(path, rows)
    with atomic_file(out / "index.html") as file:
        file.write(_page(sample, rows))
    yield f"{out / 'index.html'}: {len(sample)} of {sum(population.values())} labels to judge; or {path}"
    yield "answers: yes or no (y, n) in the last column; what is left empty is not judged"
    yield f"then: python tools/pseudo_label.py audit {args.work} {args.labels} --out {args.out} --answers FILE"


def _judge(args, classes: list[str], labels_sha256: str) -> Iterator[str]:
    population, drawn_from = read_strata(Path(args.out) / "strata.json")
    if drawn_from != labels_sha256:
        raise ValueError(f"the sample in {args.out} was drawn from other labels than {args.labels}: draw again")
    answers = join_answers(read_answers(path, population, classes, labels_sha256) for path in args.answers)
    yield f"{'class':<20} precision  95 % interval   judged  labels  more for +-{args.margin:g}"
    for name, e in estimates(answers, population, classes).items():
        interval = f"{e.low:.3f} - {e.high:.3f}" if e.is_enough else "too few"
        more = "-" if (number := e.more_for(args.margin)) is None else number
        yield f"{name:<20} {e.precision:9.3f}  {interval:13}  {e.judged:6d}  {e.population:6d}  {more:>10}"


def _page(sample: list[Drawn], rows: list[dict]) -> str:
    reader, pictures, cards = ImageReader(), {}, []
    for drawn in sorted(sample, key=lambda one: one.image.id):  # members of a tar file lie in this order
        try:
            picture = jpeg_address(_crop(reader.read(drawn.image), drawn.box), 640)
            pictures[drawn] = f'<img alt="" src="{picture}" >'
        except BadImage as error:
            pictures[drawn] = f"<p>the image cannot be read any more: {html.escape(str(error))}</p>"
    reader.close()
    for drawn, row in zip(sample, rows, strict=True):
        name = html.escape(f"{row['number']}. {row['class']}, score {row['score']}")
        place = html.escape(full_name(drawn.image))
        cards.append(f'<div class="card"><h2>{name}</h2>{pictures[drawn]}<p class="soft">{place}</p></div>')
    rows_json = json.dumps(rows)
    key = hashlib.sha256(rows_json.encode()).hexdigest()[:16]  # answers to another sample are not these
    data = f'{{"key": "{key}", "rows": {rows_json}}}'.replace("<", "\\u003c")
    return html_page(
        "Is the label right?",
        '<p class="soft">Right: the class fits and the box holds the whole thing and little else. '
        'Keys: y, n, backspace, arrows.</p><section><p id="state"></p>'
        '<button id="yes" onclick="answer(\'yes\')">yes (y)</button> '
        '<button id="no" onclick="answer(\'no\')">no (n)</button> '
        '<button onclick="go(at - 1)">back</button> <button onclick="save()">save answers.json</button>'
        f'</section><section>{"".join(cards)}</section><script type="application/json" id="rows">{data}</script>',
        _SCRIPT,
    )


def _crop(pixels: np.ndarray, box) -> np.ndarray:
    """The box and as much around it again, at least 80 pixels; small things are magnified, at most 4 times."""
    x0, y0, x1, y1 = box
    margin = max(80.0, 0.5 * max(x1 - x0, y1 - y0))
    left, top = (int(max(0, side - margin)) for side in (x0, y0))
    part = pixels[top : int(y1 + margin) + 1, left : int(x1 + margin) + 1]
    scale = min(4.0, max(1.0, 640 / max(part.shape[:2])))
    part, width = resize(part, scale), max(2, round(max(part.shape) * scale / 300))
    sides = np.array([x0 - left, y0 - top, x1 - left, y1 - top]) * scale
    return draw_boxes(part, [sides + [-width, -width, width, width]], width=width)  # around the thing, not upon it
