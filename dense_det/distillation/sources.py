"""Where unlabelled images come from: folders, globs, list files, COCO files, tar files, PDFs."""

import glob
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dense_det.data.pdf.document import Unreadable, open_pdf, sha256_of
from dense_det.distillation.folder_search import NOT_FOLLOWED, FolderSearch, is_within, outside, unread
from dense_det.distillation.tar_file import TAR_ERRORS, LargeHeader, members_of, open_tar

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# what documents come in; .heic, which Pillow does not read, so that it is named and not passed over
IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".j2k",
    ".avif", ".heic", ".heif", ".pbm", ".pgm", ".ppm", ".pnm", ".tga",
)  # fmt: skip
MOST_BYTES = 1 << 30  # of one image: it is read whole
_POINTS_PER_INCH = 72
_UTF16_MARKS = "\udcff\udcfe", "\udcfe\udcff"  # as surrogateescape shows them
_SKIPPED = "lies in the work folder, or in another one to skip"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be an image.

    Args:
        content: bytes of a tar member; None for a file, which is still to be opened.
        size: (width, height) in pixels of a PDF page, whose `sha256` is of the PDF; None for images.
        reason: why it is no image, where that is known.
        skipped: for that reason it is left out, but nothing is wrong with it.
        other: it does not claim to be an image.
    """

    file_name: str
    member: str | None = None
    page: int | None = None
    content: bytes | None = None
    size: tuple[int, int] | None = None
    sha256: str = ""
    reason: str = ""
    skipped: bool = False
    other: bool = False


@dataclass(frozen=True)
class Expansion:
    """How sources are read.

    Args:
        image_root: folder of relative names in list files and COCO files; None is the file's own folder.
        pdf_dpi: pixels per inch of rendered PDF pages.
        skip: folders that nothing is taken from, as absolute paths: what is written may lie among the images. A source
            that lies in one is taken all the same.
    """

    image_root: str | None = None
    pdf_dpi: int = 150
    skip: tuple[str, ...] = ()

    def candidates(self, source: str) -> Iterator[Candidate]:
        """Everything in `source`, in an order that does not depend on the file system.

        Raises:
            ValueError: nothing is there, or a list that cannot be read.
        """
        path = os.path.abspath(source)
        if not os.path.exists(path):
            yield from self._matching(source)
        else:
            yield from replace(self, skip=outside(path, self.skip))._named(path)

    def _named(self, path: str) -> Iterator[Candidate]:
        return self._walk(path) if os.path.isdir(path) else self._source_file(path)

    def _matching(self, pattern: str) -> Iterator[Candidate]:
        is_found, search = False, FolderSearch(pattern, self.skip) if glob.has_magic(pattern) else ()
        for path, reason in search:
            is_found = True
            if reason:
                yield Candidate(path, reason=reason, skipped=reason == NOT_FOLLOWED)
            else:
                yield from replace(self, skip=search.skip)._named(path)
        if not is_found:
            raise ValueError(
                f"nothing at {pattern} (or skipped): give a folder, a glob, a list (.txt), COCO (.json), tar or PDF"
            )

    def _source_file(self, path: str) -> Iterator[Candidate]:
        lower = path.lower()
        if lower.endswith(".json"):
            return self._listed(path, _coco_names(path))
        if lower.endswith((".txt", ".lst")):
            return self._listed(path, self._lines(path))
        return self._file(path)

    def _walk(self, folder: str) -> Iterator[Candidate]:
        """All files below, folders and names in alphabetical order, then the folders that cannot be read.

        Links to folders are named, not followed: they may lead round in circles.
        """
        errors = []
        for parent, folders, names in os.walk(folder, onerror=errors.append):
            folders[:] = sorted(
                f for f in folders if not f.startswith(".") and not is_within(os.path.join(parent, f), self.skip)
            )
            for link in filter(os.path.islink, (os.path.join(parent, f) for f in folders)):
                yield Candidate(link, reason=NOT_FOLLOWED, skipped=True)
            for name in sorted(names):
                path = os.path.join(parent, name)
                if is_within(path, self.skip):
                    continue
                if name.startswith(".") or not is_claimed(name):
                    yield Candidate(path, other=True)
                else:
                    yield from self._file(path)
        for error in errors:
            yield Candidate(error.filename or folder, reason=unread(error))

    def _listed(self, list_file: str, names: Iterable[str]) -> Iterator[Candidate]:
        for name in names:
            path = os.path.normpath(os.path.join(self._root(list_file), name))
            if is_within(path, self.skip):
                yield Candidate(path, reason=_SKIPPED, skipped=True)
            elif os.path.isdir(path):
                yield Candidate(path, reason="a folder: give it as a source of its own, a list names files")
            elif glob.has_magic(name) and not os.path.exists(path):
                reason = "no such file; if it is a pattern, give it as a source of its own: a list names files"
                yield Candidate(path, reason=reason)
            else:
                yield from self._file(path)

    def _root(self, list_file: str) -> str:
        return os.path.abspath(self.image_root) if self.image_root else os.path.dirname(list_file)

    def _lines(self, list_file: str) -> Iterator[str]:
        """The names in a list; a line that begins with # is a comment, unless there is such a file."""
        root = self._root(list_file)
        for line in _lines_of(list_file):
            if not line.startswith("#") or os.path.isfile(os.path.join(root, line)):
                yield line

    def _file(self, path: str) -> Iterator[Candidate]:
        lower = path.lower()
        if os.path.isfile(path):  # else `inspect` says what it is; a pipe would be waited for without end
            if lower.endswith(TAR_SUFFIXES):
                return self._tar(path)
            if lower.endswith(".pdf"):
                return self._pdf(path)
        return iter([Candidate(path)])

    def _tar(self, path: str) -> Iterator[Candidate]:
        try:
            with open_tar(path) as archive:
                for member in members_of(archive):
                    if not is_claimed(member.name) or not (member.isreg() or member.linkname):
                        yield Candidate(path, member.name, other=True)
                    elif not member.isreg():
                        yield Candidate(path, member.name, reason=_link_reason(member.linkname), skipped=True)
                    elif member.name.lower().endswith((".pdf", *TAR_SUFFIXES)):
                        yield Candidate(path, member.name, reason="a PDF or tar file inside a tar file: unpack it")
                    elif member.size > MOST_BYTES:
                        yield Candidate(path, member.name, reason=f"{member.size} bytes; at most {MOST_BYTES} are read")
                    else:
                        yield Candidate(path, member.name, content=archive.extractfile(member).read())
        except LargeHeader as error:
            yield Candidate(path, reason=f"not read from here on: {error}")
        except TAR_ERRORS as error:  # what came before the damage is kept
            text = " ".join(str(error).split())  # tarfile's has a line for each compression
            yield Candidate(path, reason=f"damaged tar file, from here on: {type(error).__name__}: {text}")

    def _pdf(self, path: str) -> Iterator[Candidate]:
        try:
            document = open_pdf(path)
            digest = sha256_of(path)
        except (Unreadable, OSError) as error:
            yield Candidate(path, reason=f"PDF {error}")
            return
        try:
            for page in range(len(document)):
                yield self._page(document, path, page, digest)
        finally:
            document.close()

    def _page(self, document, path: str, page: int, digest: str) -> Candidate:
        try:
            points = document.get_page_size(page)
        except Exception as error:  # pypdfium2 raises its own and ctypes' errors for damaged pages
            return Candidate(path, page=page, reason=f"damaged page: {error}")
        width, height = (round(side * self.pdf_dpi / _POINTS_PER_INCH) for side in points)
        if min(width, height) < 1:
            return Candidate(path, page=page, reason=f"an empty page of {points} points")
        return Candidate(path, page=page, size=(width, height), sha256=digest)


def is_claimed(name: str) -> bool:
    """Whether the name is one of an image, a PDF or a tar file."""
    return name.lower().endswith((*IMAGE_SUFFIXES, ".pdf", *TAR_SUFFIXES))


def _link_reason(target: str) -> str:
    """Of a link, hard or symbolic, in a tar file: its bytes stand elsewhere."""
    kind = "has its own entry" if is_claimed(target) else "is not named like an image, so unpack it"
    return f"a link, whose target {kind}: {target}"


def _lines_of(list_file: str) -> Iterator[str]:
    """The lines of a text file that are not empty, without their ends.

    Raises:
        ValueError: it cannot be read, or is UTF-16 or separated by null bytes: no name holds one.
    """
    try:
        with open(list_file, encoding="utf-8-sig", errors="surrogateescape") as file:
            for line in filter(None, map(str.rstrip, file)):
                if "\0" in line or line.startswith(_UTF16_MARKS):
                    raise ValueError(
                        f"{list_file}: null bytes, as in UTF-16 or what find -print0 writes: expected a name a line in "
                        "UTF-8. Save it so (iconv -f UTF-16 -t UTF-8, or tr '\\0' '\\n')"
                    )
                yield line
    except OSError as error:
        raise ValueError(f"{list_file}: cannot be read as a list of images: {error}") from error


def _coco_names(json_file: str) -> Iterator[str]:
    try:
        images = json.loads(Path(json_file).read_text(encoding="utf-8-sig"))["images"]
        yield from [str(image["file_name"]) for image in images]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'{json_file}: no COCO file with "images": {type(error).__name__}: {error}') from error
