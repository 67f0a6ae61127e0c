"""Races as several machines ran them, side by side on pages."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

from dense_det.aligned_table import aligned_table
from dense_det.atomic_file import atomic_file
from dense_det.environment import code_words
from dense_det.marked_page import around, write_between

RESULTS, PAGE, FRONT = Path("docs/speed.json"), Path("docs/speed.md"), Path("README.md")
MARKS = "<!-- table: tools/bench_speed.py --write -->", "<!-- end of the table -->"
ONE_CORE = "<!-- table: tools/bench_speed.py --threads 1 --write -->", "<!-- end of one core -->"
PLACES = (PAGE, MARKS), (PAGE, ONE_CORE), (FRONT, MARKS)
TURNS = "A round: all contenders take turns. Milliseconds are medians, ratios medians over the rounds, rounded down."


def read_results(root: Path) -> list[dict]:
    """What machines measured, newest first: {"cpu", "threads", "torch", "code" (see code_version), "rows": [what
    `run_race` gives, ...]}; and a look at the places for it on the pages.

    Args:
        root: of the repository.

    Raises:
        ValueError: a file with something else in it, or a page without a place.
    """
    for page, marks in PLACES:
        around(root / page, *marks)
    file = root / RESULTS
    try:
        results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        if not isinstance(results, list):
            raise TypeError(f"a {type(results).__name__}")
        for result in results:
            _render(name_machines([result]))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: no results of tools/bench_speed.py ({error!r}): move it away") from error
    return results


def keep_result(root: Path, result: dict) -> None:
    """`result` before those of `read_results`, in the place of that with the same CPU and threads; write the pages."""
    key = result["cpu"], result["threads"]
    results = [result, *(other for other in read_results(root) if (other["cpu"], other["threads"]) != key)]
    with atomic_file(root / RESULTS) as out:
        out.write(json.dumps(results, indent=1) + "\n")
    write_pages(root)


def write_pages(root: Path) -> None:
    """Tables of all results: on PAGE those of several threads, and those of one; of the first the goals on FRONT."""
    results = name_machines(read_results(root))
    for marks, one_core in ((MARKS, False), (ONE_CORE, True)):
        if kept := [result for result in results if (result["threads"] == 1) == one_core]:
            write_between(root / PAGE, *marks, _render(kept))
            if not one_core:
                write_between(root / FRONT, *marks, summary(kept))


def name_machines(results: list[dict]) -> list[dict]:
    """The results, each with a "name" for its column: a CPU is the same machine wherever it stands."""
    numbers = {cpu: number for number, cpu in enumerate(dict.fromkeys(result["cpu"] for result in results), start=1)}
    several = [result["cpu"] for result in results if result["threads"] > 1]
    return [
        result
        | {"name": f"machine {numbers[result['cpu']]}"
           + f", {result['threads']} threads" * (result["threads"] > 1 and several.count(result["cpu"]) > 1)}
        for result in results
    ]  # fmt: skip


def summary(results: list[dict]) -> str:
    """The goal table of results with names, and which of its columns is what."""
    lines = [
        f"- {result['name']}: {result['cpu']}, {result['threads']} thread(s), torch {result['torch']}, "
        f"{result['rows'][0]['rounds']} rounds, {code_words(result['code']) or 'outside of git'}"
        for result in results
    ]
    return "\n".join([goal_table(results), "", *lines, "", TURNS])


def goal_table(results: list[dict]) -> str:
    """The goals of all races, reached or not, a column for each result; "-" was not measured there."""
    cells = []
    for title in _titles(results):
        races = [_race(result, title) for result in results]
        goals = {}
        for goal in (goal for race in races for goal in race["goals"]):
            goals.setdefault((goal["fast"], goal["slow"]), goal["goal"])  # the newest
        cells += [[f"**{title}**", *[""] * len(results), ""]] if goals else []
        for (fast, slow), least in goals.items():
            ratios = [_ratio(race, fast, slow) for race in races]
            cells.append([f"{fast} against {slow}", *ratios, f"{least:g} x"])
    return aligned_table(["times as fast", *_names(results), "goal"], cells)


def race_tables(results: list[dict]) -> Iterator[str]:
    """Of each race the contenders and their milliseconds, a column for each result; "-" was not measured there."""
    for title in _titles(results):
        races = [_race(result, title) for result in results]
        contenders = dict.fromkeys(name for race in races for name in race["ms"])
        rows = [[name, *(race["ms"].get(name) for race in races)] for name in contenders]
        yield aligned_table([f"{title}, ms", *_names(results)], rows)


def _render(results: list[dict]) -> str:
    return "\n\n".join([summary(results), *race_tables(results)])


def _names(results: list[dict]) -> list[str]:
    return [result["name"] for result in results]


def _titles(results: list[dict]) -> dict[str, None]:
    return dict.fromkeys(race["title"] for result in results for race in result["rows"])


def _race(result: dict, title: str) -> dict:
    return next((race for race in result["rows"] if race["title"] == title), {"ms": {}, "goals": []})


def _ratio(race: dict, fast: str, slow: str) -> str | None:
    """Rounded down: what falls short of a goal does not read as the goal."""
    found = (goal["ratio"] for goal in race["goals"] if (goal["fast"], goal["slow"]) == (fast, slow))
    ratio = next(found, None)
    return None if ratio is None else f"{math.floor(ratio * 10) / 10:.1f} x"
