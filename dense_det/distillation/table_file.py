"""The table of a distillation as a file, with what its steps took."""

import re
from pathlib import Path
from statistics import mean

from dense_det.atomic_file import atomic_file
from dense_det.environment import cpu_name, num_cpus

# of steps' names; the first that is found in one
_KINDS = {
    "students": r"-seed\d+$",
    "data": "^prepare-",
    "the teacher": "^teacher$",
    "labels": r"^round-\d+-(plan|run|select|report)-",
}


def write_table(path: Path, title: str, table: str, seconds: dict[str, float], times: str) -> None:
    """The table as Markdown, with the time that steps took, by kind (see time_words) and each."""
    with atomic_file(path) as file:
        file.write(f"# {title}\n\n{table}\n\n{times}\n\n")
        for name, value in seconds.items():
            file.write(f"- {name}: {value / 60:.1f} min\n")


def time_words(seconds: dict[str, float], workers: int, num_untimed: int = 0) -> str:
    """How many minutes the steps of a job took that ended, by kind, `workers` students at a time; "" of no steps.

    `num_untimed` more were killed once: their time is not known.
    """
    kinds: dict[str, list[float]] = {}
    for name, value in seconds.items():
        kind = next((kind for kind, pattern in _KINDS.items() if re.search(pattern, name)), "the rest")
        kinds.setdefault(kind, []).append(value / 60)
    students = kinds.pop("students", [])
    parts = [f"{sum(minutes):.1f} for {kind}" for kind, minutes in kinds.items()]
    if students:
        at_once = min(workers, len(students))
        parts.append(f"{mean(students):.1f} for each of {len(students)} student(s), {at_once} at a time")
    parts += [f"not known for {num_untimed} step(s) that were killed once"] if num_untimed else []
    return f"Minutes: {', '.join(parts)}. Written on {cpu_name()}, {num_cpus()} cores." if parts else ""
