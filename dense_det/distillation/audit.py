"""The precision of pseudo-labels from a person's answers on a random sample."""

import bisect
import csv
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.distillation.image_name import printable
from dense_det.distillation.sampling import Drawn
from dense_det.distillation.work_folder import write_json
from dense_det.suggest import unknown

COLUMNS = (
    "number",
    "file_name",
    "member",
    "page",
    "class",
    "band",
    "score",
    "x0",
    "y0",
    "x1",
    "y1",
    "labels",
    "answer",
)
_NUMBERS = ("page", "band", "score", "x0", "y0", "x1", "y1")
Z = 1.959964  # of a 95 % interval
ENOUGH = 10  # answers of a class


@dataclass(frozen=True)
class Estimate:
    """A share of right boxes: `precision` and its 95 % interval, from `judged` boxes that stand for `population`.

    `effective`: see effective_number; `unjudged`: boxes left to judge, of all strata; `strata`: (boxes that it stands
    for, judged) of those with an answer.
    """

    precision: float
    low: float
    high: float
    judged: int
    population: int
    effective: float
    unjudged: int
    strata: tuple[tuple[float, int], ...] = ()

    @property
    def is_enough(self) -> bool:
        """Whether the interval is worth telling: ENOUGH answers, or all there can be."""
        return self.judged >= ENOUGH or (self.judged > 0 and not self.unjudged)

    def more_for(self, margin: float) -> int | None:
        """How many more answers, spread as these are, make the interval +-`margin`, if the precision stays as it is;
        at most all that are left. None without any answer to go by."""
        if not self.judged:
            return None
        wanted = draws_for(self.precision, margin) * (1 - 1e-9)

        def is_enough(more: int) -> bool:
            times = 1 + more / self.judged
            return effective_number((boxes, min(boxes, times * judged)) for boxes, judged in self.strata) >= wanted

        return bisect.bisect_left(range(self.unjudged), True, key=is_enough)


def wilson(precision: float, number: float) -> tuple[float, float]:
    """Wilson's 95 % interval (JASA 22, 1927) of a share seen in `number` draws; (0, 1) without any."""
    if number <= 0:
        return 0.0, 1.0
    centre = precision + Z * Z / (2 * number)
    half = Z * math.sqrt(precision * (1 - precision) / number + Z * Z / (4 * number * number))
    scale = 1 + Z * Z / number
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def draws_for(precision: float, margin: float) -> int:
    """The fewest draws for which half of Wilson's interval is at most `margin`.

    Raises:
        ValueError: a margin that no interval can have.
    """
    if not 0 < margin < 0.5:
        raise ValueError(f"a margin lies between 0 and 0.5, got {margin}")

    def is_narrow(number: int) -> bool:
        low, high = wilson(precision, number)
        return (high - low) / 2 <= margin

    enough = 1
    while not is_narrow(enough):
        enough *= 2
    return enough // 2 + bisect.bisect_left(range(enough // 2, enough), True, key=is_narrow)


def effective_number(strata: Iterable[tuple[float, float]]) -> float:
    """As many draws from endlessly many boxes, without strata, would say as much as `strata` of (boxes, judged).

    Kish's 1 / sum(weight^2 / n), a weight being the stratum's share of all boxes, where n judged of N boxes count as
    n (N - 1) / (N - n): the finite population correction of a share (Cochran, Sampling Techniques, 1977, chapter 3).
    Infinite where all are judged: then nothing is left to guess.
    """
    strata = list(strata)
    total = sum(boxes for boxes, _ in strata)
    variance = sum(
        (boxes / total) ** 2 * (boxes - judged) / (judged * max(1, boxes - 1))
        for boxes, judged in strata
        if boxes > judged
    )
    return 1 / variance if variance else math.inf


def estimate(right: Counter, judged: Counter, population: Counter) -> Estimate:
    """Of strata, each weighted by its share of all boxes; strata without an answer are left out.

    The interval is Wilson's for the effective number of draws. Strata without an answer make the others stand for
    more boxes, so that an interval without width needs all of all strata judged. While one box is not, the interval
    holds what the share would be if that one were otherwise: Wilson's does not where all answers are alike.
    """
    answered = [stratum for stratum in population if judged[stratum]]
    total, number = sum(population[stratum] for stratum in answered), sum(judged[s] for s in answered)
    unjudged = sum(population.values()) - number
    if not total:
        return Estimate(float("nan"), 0.0, 1.0, 0, 0, 0.0, unjudged)
    weights = {stratum: population[stratum] / total for stratum in answered}
    precision = sum(weights[s] * right[s] / judged[s] for s in answered)
    times = sum(population.values()) / total
    strata = tuple((population[s] * times, judged[s]) for s in answered)
    effective = effective_number(strata)
    (low, high), one_box = wilson(precision, effective), 1 / sum(population.values()) if unjudged else 0.0
    low, high = min(low, max(0.0, precision - one_box)), max(high, min(1.0, precision + one_box))
    return Estimate(precision, low, high, number, total, effective, unjudged, strata)


def estimates(answers: Iterable[dict], population: Counter, classes: list[str]) -> dict[str, Estimate]:
    """For each class that was drawn, and "all".

    Args:
        answers: rows of read_answers; "" is not answered yet.
        population: of the strata (class index, band).
    """
    right, judged = Counter(), Counter()
    for row in answers:
        stratum = classes.index(row["class"]), int(row["band"])
        if answer := str(row["answer"]).strip().lower():
            judged[stratum] += 1
            right[stratum] += answer == "yes"
    rows = {}
    for k, name in enumerate(classes):
        own = Counter({stratum: number for stratum, number in population.items() if stratum[0] == k})
        if own:
            rows[name] = estimate(right, judged, own)
    return rows | {"all": estimate(right, judged, population)}


def labels_key(labels_sha256: str) -> str:
    """By what an answer's row names the file of labels that it judges; no spreadsheet takes it for a number."""
    return f"sha256:{labels_sha256[:12]}"


def answer_rows(sample: list[Drawn], classes: list[str], labels_sha256: str) -> list[dict]:
    """One row a box, in COLUMNS, not answered."""
    rows = []
    for number, drawn in enumerate(sample, 1):
        values = (
            number, printable(drawn.image.file_name), printable(drawn.image.member or ""),
            "" if drawn.image.page is None else drawn.image.page + 1,
            classes[drawn.class_index], drawn.band, round(drawn.score, 4),
            *(round(side, 1) for side in drawn.box), labels_key(labels_sha256), "",
        )  # fmt: skip
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def write_answers(path, rows: list[dict]) -> None:
    with atomic_file(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def join_answers(samples: Iterable[list[dict]]) -> list[dict]:
    """The rows of several samples from the same labels; a box that was drawn twice counts once, as answered last."""
    boxes = {}
    for row in itertools.chain.from_iterable(samples):
        box = tuple(_value(row, column) for column in COLUMNS if column not in ("number", "answer"))
        if box not in boxes or str(row["answer"]).strip():
            boxes[box] = row
    return list(boxes.values())


def _value(row: dict, column: str) -> str | float:
    """As the CSV, the page's JSON and spreadsheets all have it: 10.0, 10 and "10" are one number."""
    text = str(row.get(column, "")).strip()
    try:
        return float(text) if column in _NUMBERS else text
    except ValueError:
        return text


def write_strata(path, population: Counter, labels_sha256: str) -> None:
    """What the answers to a sample are weighed by, and which labels it was drawn from."""
    strata = [[k, band, number] for (k, band), number in sorted(population.items())]
    write_json(path, {"labels_sha256": labels_sha256, "strata": strata})


def read_strata(path) -> tuple[Counter, str]:
    """The population of the strata (class index, band), and the SHA-256 of the labels.

    Raises:
        ValueError: not what write_strata writes.
    """
    try:
        tree = json.loads(Path(path).read_text(encoding="utf-8"))
        population = {(k, band): number for k, band, number in tree["strata"]}
        if not all(type(number) is int for stratum, size in population.items() for number in (*stratum, size)):
            raise TypeError("strata are whole numbers: class, band, labels")
        return Counter(population), tree["labels_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: not what audit writes beside a sample ({type(error).__name__}: {error}); draw one first, "
            "without --answers"
        ) from error


def has_answers(path) -> bool:
    """Whether a person may have written into the CSV: any answer, or a file that is no untouched sample."""
    try:
        return any(str(row["answer"]).strip() for row in _read_rows(path))
    except FileNotFoundError:
        return False
    except ValueError:
        return True


def read_answers(path, population: Counter, classes: list[str], labels_sha256: str) -> list[dict]:
    """Rows of a filled-in CSV, or of the JSON that the page saves.

    Args:
        population, labels_sha256: of the sample that they answer; see read_strata.

    Raises:
        ValueError: neither, an answer that is not yes, no or nothing, or a row of another sample.
    """
    bands = {name: [str(band) for c, band in sorted(population) if c == k] for k, name in enumerate(classes)}
    rows = _read_rows(path)
    for row in rows:
        if fault := _fault(row, bands, labels_key(labels_sha256)):
            raise ValueError(f"{path}, number {row['number']}: {fault}")
    return rows


_WORDS = {"y": "yes", "n": "no"}


def _read_rows(path) -> list[dict]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        rows = json.loads(text) if text.lstrip().startswith("[") else _read_csv(text)
        if not rows:
            raise ValueError("no rows")
        if not all({"number", "class", "band", "answer"} <= row.keys() for row in rows):
            raise ValueError("a row without number, class, band or answer")
        for row in rows:
            row["answer"] = _WORDS.get(str(row["answer"]).strip().lower(), row["answer"])
    except (ValueError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path}: neither the CSV nor the JSON of an audit, in UTF-8 ({error})") from error
    return rows


def _read_csv(text: str) -> list[dict]:
    """With the separator of its header: programs write others where a comma stands in numbers."""
    header = text.partition("\n")[0]
    return list(csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=header.count)))


def _fault(row: dict, bands: dict[str, list[str]], key: str) -> str:
    """What is wrong with an answer; `bands` of each class that the sample's labels have."""
    if row.get("labels") != key:
        judged = row.get("labels") or "that it does not name"
        return f"judges the labels {judged}, the sample was drawn from {key}: give the answers to that one"
    if row["class"] not in list(bands):  # JSON may hold what no dictionary can
        return unknown("class", row["class"], bands)
    if str(row["band"]).strip() not in bands[row["class"]]:
        return f"band {row['band']!r} of {row['class']}: the labels have {bands[row['class']]}"
    if str(row["answer"]).strip().lower() not in ("yes", "no", ""):
        return f"answer {row['answer']!r}: expected yes, no or nothing"
    return ""
