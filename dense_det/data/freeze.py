"""Making the frozen list: every fit page of given packages, with its split."""

from pathlib import Path

from dense_det.data.cache import cache_folder
from dense_det.data.docpages import code_digest
from dense_det.data.docpages_sources import Source
from dense_det.data.docpages_work import label_sources
from dense_det.data.frozen_list import SPLITS, FrozenPdf, write_frozen_list
from dense_det.data.packages import read_packages, unpack_files
from dense_det.data.pdf.document import sha256_of


def freeze_docpages(path, splits: list[str], debs, workers: int) -> str:
    """Write the frozen list `path` from the packages in `debs`; returns a line about it.

    Args:
        splits: "NAME=SPLIT" for each package, e.g. "r-cran-zoo=val".

    Raises:
        ValueError: an unknown split, or a package that is not in `debs`.
    """
    packages = read_packages(debs)
    cache = cache_folder()
    sources, seen = [], set()
    for item in sorted(splits):
        name, _, split = item.partition("=")
        if split not in SPLITS or name not in packages:
            raise ValueError(f"{item!r}: expected PACKAGE=SPLIT with a split of {SPLITS} and a package in {debs}")
        package = packages[name]
        folder = cache / "packages" / f"{name}_{package.version.replace(':', '_')}"
        for pdf in unpack_files(package, folder):
            sha256 = sha256_of(pdf)
            if sha256 not in seen:
                seen.add(sha256)
                sources.append(Source(pdf, pdf.relative_to(folder).as_posix(), sha256, split, name, package.version))
    labelled, problems = label_sources(sources, cache / "freeze", code_digest(), workers)
    frozen = []
    for source, pages in labelled:
        fit = tuple(number for number, page in sorted(pages.items()) if page.unfit is None)
        if fit:
            frozen.append(FrozenPdf(source.package, source.version, source.split, source.name, source.sha256, fit))
    write_frozen_list(path, frozen)
    notes = "".join(f"\n  note: {problem}" for problem in problems)
    return f"{Path(path)}: {len(frozen)} PDFs, {sum(len(pdf.pages) for pdf in frozen)} pages{notes}"
