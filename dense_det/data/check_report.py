"""What a check found: findings, counts, and both as text for people and as a dict for machines."""

import reprlib
from collections import Counter
from dataclasses import asdict, dataclass, field

from dense_det.data.check_kinds import KINDS, MAX_ID

MAX_FINDINGS_PER_KIND = 10_000  # counts stay exact beyond; a million findings would only fill memory

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict = 3, 6, 4
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def short(value) -> str:
    """`value` as at most a line of printable text, however long, deep or strange it is."""
    return value if isinstance(value, Text) else _SHORT.repr(value)


class Text(str):
    """A value that is a sentence of ours, shown without quotes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its kind (a key of `KINDS`), where it is, and the value that came.

    `image_id` and `annotation_id` are as in the JSON where they are integers, else as text; `where` is the place in the
    JSON ("annotations[17]"), for entries whose id is no help.
    """

    kind: str
    value: str
    where: str = ""
    image_id: int | str | None = None
    annotation_id: int | str | None = None
    file_name: str | None = None

    @property
    def severity(self) -> str:
        return KINDS[self.kind].severity

    def to_text(self) -> str:
        """`image 5 'a.png', annotation 17: [1, 2, -3, 4]`"""
        place = []
        if self.image_id is not None or self.file_name is not None:
            name = None if self.file_name is None else short(self.file_name)
            place.append(" ".join(["image", *(str(v) for v in (self.image_id, name) if v is not None)]))
        if self.annotation_id is not None:
            place.append(f"annotation {self.annotation_id}")
        elif self.where:
            place.append(self.where)
        return f"{', '.join(place)}: {self.value}" if place else self.value


@dataclass
class Report:
    """The result of a check. `totals` counts findings by kind; `findings` holds at most 10,000 of each kind."""

    json_file: str
    image_root: str
    findings: list[Finding] = field(default_factory=list)
    totals: Counter = field(default_factory=Counter)
    num_images: int = 0
    num_annotations: int = 0
    class_counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, value, where: str = "", image_id=None, annotation_id=None, file_name=None) -> None:
        """Note a finding; ids and file name are the raw ones of the JSON, whatever they are."""
        self.totals[kind] += 1
        if self.totals[kind] <= MAX_FINDINGS_PER_KIND:
            name = file_name if file_name is None or type(file_name) is str else short(file_name)
            self.findings.append(Finding(kind, short(value), where, _plain(image_id), _plain(annotation_id), name))

    @property
    def errors(self) -> list[Finding]:
        return [f for f in self.findings if f.severity == "error"]

    @property
    def warnings(self) -> list[Finding]:
        return [f for f in self.findings if f.severity == "warning"]

    @property
    def num_errors(self) -> int:
        return sum(n for kind, n in self.totals.items() if KINDS[kind].severity == "error")

    @property
    def num_warnings(self) -> int:
        return sum(n for kind, n in self.totals.items() if KINDS[kind].severity == "warning")

    def to_dict(self) -> dict:
        return {
            "json_file": self.json_file,
            "image_root": self.image_root,
            "num_errors": self.num_errors,
            "num_warnings": self.num_warnings,
            "num_images": self.num_images,
            "num_annotations": self.num_annotations,
            "class_counts": self.class_counts,
            "kinds": {kind: {"count": count, **asdict(KINDS[kind])} for kind, count in self.totals.items()},
            "findings": [{"severity": f.severity, **asdict(f)} for f in self.findings],
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Report":
        """The inverse of `to_dict`; KeyError, TypeError or AttributeError for anything else."""
        return cls(
            data["json_file"],
            data["image_root"],
            [Finding(**{k: v for k, v in f.items() if k != "severity"}) for f in data["findings"]],
            Counter({kind: row["count"] for kind, row in data["kinds"].items() if KINDS[kind]}),
            data["num_images"],
            data["num_annotations"],
            data["class_counts"],
        )

    def to_text(self, examples: int | None = 3) -> str:
        """Findings by kind, errors first, each with its first `examples` (None: all), then one line of summary."""
        lines = []
        by_kind = {}
        for finding in self.findings:
            by_kind.setdefault(finding.kind, []).append(finding)
        for kind in sorted(self.totals, key=lambda k: (KINDS[k].severity, list(KINDS).index(k))):
            row, found = KINDS[kind], by_kind[kind]
            lines.append(f"{row.severity.upper()} {kind} ({self.totals[kind]:,}): {row.what}")
            shown = found if examples is None else found[:examples]
            lines += [f"    {f.to_text()}" for f in shown]
            if self.totals[kind] > len(shown):
                lines.append(f"    ... and {self.totals[kind] - len(shown):,} more")
            lines.append(f"  do: {row.advice}" + (f"; --fix: {row.fix}" if row.fix else ""))
        return "\n".join([*lines, self.summary()])

    def summary(self) -> str:
        """One line: `train.json: no errors, 2 warnings; 120 images, 2,310 objects (Table 45, Picture 30)`."""
        classes = ", ".join(f"{short(name)[1:-1]} {count:,}" for name, count in self.class_counts.items())
        return (
            f"{short(str(self.json_file))[1:-1]}: {_count(self.num_errors, 'error')}, "
            f"{_count(self.num_warnings, 'warning')}; {_count(self.num_images, 'image')}, "
            f"{_count(self.num_annotations, 'object')}" + (f" ({classes})" if classes else "")
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1) if number else f"no {noun}s"


def _plain(value):
    return value if value is None or (type(value) is int and 0 <= value <= MAX_ID) else short(value)
