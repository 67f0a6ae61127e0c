"""Races as several machines ran them, side by side."""

import json
from collections.abc import Iterator
from pathlib import Path

from dense_det.aligned_table import aligned_table
from dense_det.atomic_file import atomic_file
from dense_det.environment import code_words

TURNS = "A round: all contenders take turns. Milliseconds are medians, ratios medians over the rounds."


def keep_result(file: Path, result: dict) -> list[dict]:
    """All results of a JSON file and `result`, newest first, which replaces that of the same CPU and threads there.

    Args:
        result: {"cpu", "threads", "torch", "code" (see code_version), "rows": [what `run_race` gives, ...]}.

    Raises:
        ValueError: a file with something else in it.
    """
    try:
        results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        others = [other for other in results if (other["cpu"], other["threads"]) != (result["cpu"], result["threads"])]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: no results of tools/bench_speed.py ({error!r}): move it away") from error
    results = [result, *others]
    with atomic_file(file) as out:
        out.write(json.dumps(results, indent=1) + "\n")
    return results


def goal_table(results: list[dict]) -> str:
    """The goals of all races, reached or not, a column for each result; "-" was not measured there."""
    cells = []
    for title in _titles(results):
        races = [_race(result, title) for result in results]
        goals = {(goal["fast"], goal["slow"]): goal["goal"] for race in races for goal in race["goals"]}
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


def summary(results: list[dict]) -> str:
    """The goal table, and which of its columns is what."""
    lines = [
        f"- {name}: {result['cpu']}, {result['threads']} thread(s), torch {result['torch']}, "
        f"{result['rows'][0]['rounds']} rounds, {code_words(result['code']) or 'outside of git'}"
        for name, result in zip(_names(results), results, strict=True)
    ]
    return "\n".join([goal_table(results), "", *lines, "", TURNS])


def _names(results: list[dict]) -> list[str]:
    return [f"machine {number}" for number, _ in enumerate(results, start=1)]


def _titles(results: list[dict]) -> dict[str, None]:
    return dict.fromkeys(race["title"] for result in results for race in result["rows"])


def _race(result: dict, title: str) -> dict:
    return next((race for race in result["rows"] if race["title"] == title), {"ms": {}, "goals": []})


def _ratio(race: dict, fast: str, slow: str) -> str | None:
    found = (goal["ratio"] for goal in race["goals"] if (goal["fast"], goal["slow"]) == (fast, slow))
    ratio = next(found, None)
    return None if ratio is None else f"{ratio:.1f} x"
