"""The heavy work on many PDFs at once: pages understood (kept as parts, so that a run can go on), pages rendered."""

import json
import logging
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.data.docpages_sources import Source
from dense_det.data.pdf.document import Unreadable, render_pages, understand_document
from dense_det.data.pdf.page import Page

logger = logging.getLogger(__name__)

# what a detector cannot learn from, or learns too much of
_MOST_BOXES = 60  # indexes, tables of contents: lines of dots
_MOST_MONO = 0.35  # share of characters: print-outs, unless they stand around something rarer
_LEAST_CHARS = 40  # blank and scanned pages: nothing tells where their parts are

_LEAST_POINTS = 250  # of width: logos and single figures
# the classes that are rare on pages, and worth the most
RICH = {"Table", "Picture", "Formula"}


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """Regions as (kind, (x0, y0, x1, y1)) in points, of a page `width` x `height`; `unfit` says why not to use it."""

    width: float
    height: float
    regions: tuple
    unfit: str | None


def require_own_folder(out: Path, names: Iterable[str]) -> None:
    """Refuse a folder where files of somebody else have `names`, those that a preparation replaces.

    An earlier preparation left parts/, or a manifest.json with its request.

    Raises:
        ValueError: one of `names` is there, and neither of the two.
    """
    try:
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if (out / "parts").is_dir() or (isinstance(manifest, dict) and "request" in manifest):
        return
    if there := [name for name in names if (out / name).exists()]:
        raise ValueError(
            f"{out} holds {', '.join(there)}, but no parts/ or manifest.json of an earlier preparation: these files "
            "may be yours, and would be replaced; choose another --out"
        )


def label_sources(sources: list[Source], parts: Path, code: str, workers: int):
    """[(source, {page number: LabelledPage})] in the order of `sources`, and the problems met.

    Each PDF's result is kept in `parts` and taken from there when it was made by the same `code`.
    """
    parts.mkdir(parents=True, exist_ok=True)
    tasks = [(source, parts / f"{source.sha256[:24]}.json", code) for source in sources]
    results = run_each(_label, tasks, workers)
    labelled, problems = [], []
    for source, result in zip(sources, results, strict=True):
        if isinstance(result, str):
            problems.append(f"{source.name}: {result}")
            continue
        lacking = sorted(set(source.pages or ()) - set(result))
        if lacking:
            problems.append(f"{source.name}: pages {', '.join(map(str, lacking))} are not there or not upright")
        labelled.append((source, result))
    return labelled, problems


def _label(source: Source, part: Path, code: str) -> dict[int, LabelledPage] | str:
    """The pages of one PDF, or why there are none."""
    pages = list(source.pages) if source.pages is not None else None
    try:
        kept = json.loads(part.read_text(encoding="utf-8"))
        if kept["code"] == code and kept["wanted"] == pages:
            return {int(number): _from_json(page) for number, page in kept["pages"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none yet, or cut short: make it anew
    try:
        understood = understand_document(source.path, pages)
    except (Unreadable, OSError) as error:
        return str(error)
    labelled = {number: _labelled(page) for number, page in understood.items()}
    with atomic_file(part) as file:
        json.dump({"code": code, "wanted": pages, "pages": {n: asdict(p) for n, p in labelled.items()}}, file)
    return labelled


def _labelled(page: Page) -> LabelledPage:
    # rounded, so that a page read back from its part is the page that was written
    regions = tuple((r.kind, tuple(round(edge, 2) for edge in r.box)) for r in page.regions)
    return LabelledPage(round(page.width, 2), round(page.height, 2), regions, _unfit(page))


def _unfit(page: Page) -> str | None:
    if page.width > page.height:
        return "landscape"
    if page.width < _LEAST_POINTS:
        return "too small to be a page"
    if page.num_chars < _LEAST_CHARS:
        return "hardly any text of its own"
    if page.mono_share > _MOST_MONO and not any(region.kind in RICH for region in page.regions):
        return "mostly monospace"
    return "too many boxes" if len(page.regions) > _MOST_BOXES else None


def _from_json(page: dict) -> LabelledPage:
    regions = tuple((kind, tuple(box)) for kind, box in page["regions"])
    return LabelledPage(page["width"], page["height"], regions, page["unfit"])


def render_entries(entries, images: Path, workers: int) -> None:
    """Write the image of each PageEntry that is not there yet."""
    images.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in images.iterdir()}
    tasks: dict[Path, tuple[dict, dict]] = {}
    for entry in entries:
        if entry.file_name not in there:
            files, sizes = tasks.setdefault(entry.source.path, ({}, {}))
            files[entry.number] = images / entry.file_name
            sizes[entry.number] = entry.size
    results = run_each(render_pages, [(path, files, sizes) for path, (files, sizes) in tasks.items()], workers)
    for path, result in zip(tasks, results, strict=True):
        if isinstance(result, str):
            raise ValueError(f"{path}: understood, but not rendered: {result}")


def run_each(function, tasks: list[tuple], workers: int) -> list:
    """[function(*task) for each task], in `workers` processes; a task that kills its process gives a message."""
    if workers <= 1 or len(tasks) < 2:
        return [function(*task) for task in tasks]
    results: list = [None] * len(tasks)
    pending = set(range(len(tasks)))
    try:
        with _pool(workers) as pool:
            futures = {index: pool.submit(function, *tasks[index]) for index in pending}
            for index, future in futures.items():
                results[index] = future.result()
                pending.discard(index)
                if len(pending) % 10 == 0:
                    logger.info("%d of %d documents done", len(tasks) - len(pending), len(tasks))
    except BrokenProcessPool:
        logger.warning("a PDF ended its process: going on with %d documents, one by one", len(pending))
        for index in sorted(pending):
            try:
                with _pool(1) as pool:
                    results[index] = pool.submit(function, *tasks[index]).result()
            except BrokenProcessPool:
                results[index] = "reading it ended the process"
    return results


def _pool(workers: int) -> ProcessPoolExecutor:
    # forked: a fresh interpreter would import torch in every worker for nothing
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else None)
    return ProcessPoolExecutor(workers, mp_context=context)
