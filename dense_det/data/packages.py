"""Debian packages -> the files inside: fetched with apt-get, opened without being installed, without root."""

import gzip
import io
import logging
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dense_det.atomic_file import atomic_file

logger = logging.getLogger(__name__)

_AR_MAGIC = b"!<arch>\n"

# what tarfile and the decoders below it say of changed or missing bytes
_DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, EOFError)


@dataclass(frozen=True, slots=True)
class Package:
    """A .deb file, by the name and version that its own control file states."""

    name: str
    version: str
    path: Path


def fetch_packages(wanted: dict[str, str], folder) -> tuple[list[Package], dict[str, str]]:
    """Have the packages of `wanted` (name -> version) in `folder`, downloading those that are not there.

    A version that the machine's package lists lack is replaced by the one they have.

    Returns:
        the packages found, by name; and for each missing one its name -> why.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    found = read_packages(folder)
    absent = [name for name in wanted if name not in found or found[name].version != wanted[name]]
    reasons: dict[str, str] = {}
    if absent and shutil.which("apt-get") is None:
        reasons = dict.fromkeys(absent, "no apt-get here: give a folder of .deb files, or of PDFs")
    elif absent:
        logger.info("fetching %d Debian packages into %s", len(absent), folder)
        # all at once is quickest; one name that is unknown spoils the call, so then one by one
        if _download([f"{name}={wanted[name]}" for name in absent], folder):
            for name in absent:
                if _download([f"{name}={wanted[name]}"], folder):
                    reasons[name] = _download([name], folder)
    found = read_packages(folder, prefer=wanted)
    missing = {name: reasons.get(name) or "not fetched" for name in wanted if name not in found}
    return [found[name] for name in sorted(wanted) if name in found], missing


def _download(names: list[str], folder: Path) -> str:
    """Empty when all went well, else what apt-get said last; a package comes whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
        place = Path(temporary)
        done = _apt_get(["download", *names], folder, place)
        own_lists = folder / "apt-lists"
        if "Unable to locate" in done.stderr and not own_lists.is_dir():
            # a machine straight from its image has no package lists; lists of one's own need no root
            (own_lists / "partial").mkdir(parents=True)
            logger.info("making package lists in %s", own_lists)
            _apt_get(["update"], folder, place)
            done = _apt_get(["download", *names], folder, place)
        if done.returncode == 0:
            for path in place.glob("*.deb"):
                os.replace(path, folder / path.name)
            return ""
    said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
    return said[-1] if said else f"apt-get ended with {done.returncode}"


def _apt_get(arguments: list[str], folder: Path, place: Path) -> subprocess.CompletedProcess:
    """apt-get in `place`, with the lists in the apt-lists/ of `folder` where that is there, else the machine's."""
    lists = (folder / "apt-lists").absolute()
    options = ["-o", f"Dir::State::Lists={lists}"] if lists.is_dir() else []
    return subprocess.run(["apt-get", *options, *arguments], cwd=place, capture_output=True, text=True)


def read_packages(folder, prefer: dict[str, str] | None = None) -> dict[str, Package]:
    """The .deb files of `folder` by package name; of several versions the preferred one, else the last."""
    found: dict[str, Package] = {}
    for path in sorted(Path(folder).glob("*.deb")):
        try:
            package = read_package(path)
        except (ValueError, OSError) as error:
            logger.warning("%s is left out: %s", path.name, error)
            continue
        if package.name in found and found[package.name].version == (prefer or {}).get(package.name):
            continue
        found[package.name] = package
    return found


def read_package(path) -> Package:
    """Name and version from the control file of a .deb.

    Raises:
        ValueError: not a Debian package, one that is cut short, or one whose control file cannot be read.
    """
    path = Path(path)
    if path.stat().st_size < (size := sum(60 + size + size % 2 for _, size, _ in _ar_headers(path)) + len(_AR_MAGIC)):
        raise ValueError(f"{path.name} is cut short: {path.stat().st_size} of {size} bytes")
    with _member(path, "control.tar") as archive:
        for entry in archive:
            if PurePosixPath(entry.name).name == "control" and entry.isfile():
                text = archive.extractfile(entry).read().decode("utf-8", "replace")
                fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
                if {"Package", "Version"} <= set(fields):
                    return Package(fields["Package"].strip(), fields["Version"].strip(), path)
    raise ValueError("its control file names no Package and Version")


def unpack_files(package: Package, folder, suffixes: tuple[str, ...] = (".pdf",)) -> list[Path]:
    """Write the files of `package` that end so under `folder`, at their own paths; those already there are kept.

    Raises:
        ValueError: a damaged archive.
    """
    folder = Path(folder)
    files = []
    with _member(package.path, "data.tar") as archive:
        for entry in archive:
            inner = PurePosixPath(entry.name)
            if not entry.isfile() or inner.suffix.lower() not in suffixes:
                continue
            if inner.is_absolute() or ".." in inner.parts:
                raise ValueError(f"{package.path.name}: {entry.name} would leave its folder")
            target = folder / inner
            if not target.is_file() or target.stat().st_size != entry.size:
                with atomic_file(target, "wb") as file:
                    shutil.copyfileobj(archive.extractfile(entry), file)
            files.append(target)
    return sorted(files)


@contextmanager
def _member(path: Path, stem: str):
    """The tar archive control.tar.* or data.tar.* inside a .deb, opened to be read within the block.

    Raises:
        ValueError: there is none, or it shows damage when it is opened or within the block.
    """
    for name, content in _ar_members(path):
        if name.startswith(stem):
            if name.endswith(".zst"):
                content = _unpacked_by_dpkg(path, stem)
            try:
                with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as archive:
                    yield archive
            except _DAMAGE as error:
                raise ValueError(f"{path.name} is damaged: {name}: {error}") from error
            return
    raise ValueError(f"{path.name} is no Debian package: it has no {stem}")


def _ar_members(path: Path):
    """(name, bytes) of each member of an ar archive."""
    with open(path, "rb") as file:
        for name, size, start in _ar_headers(path):
            file.seek(start)
            content = file.read(size)
            if len(content) < size:
                raise ValueError(f"{path.name} is cut short inside {name}")
            yield name, content


def _ar_headers(path: Path):
    """(name, size, place) of each member of an ar archive: a 60-byte header, then content padded to even length."""
    with open(path, "rb") as file:
        if file.read(8) != _AR_MAGIC:
            raise ValueError(f"{path.name} is no Debian package: it does not begin as an ar archive")
        while header := file.read(60):
            try:
                name, size = header[:16].decode("ascii").rstrip(" /"), int(header[48:58])
            except ValueError as error:
                raise ValueError(f"{path.name} is damaged: {error}") from error
            yield name, size, file.tell()
            file.seek(size + size % 2, os.SEEK_CUR)


def _unpacked_by_dpkg(path: Path, stem: str) -> bytes:
    """The tar of a .deb packed with zstd, which tarfile learns only in Python 3.14."""
    if shutil.which("dpkg-deb") is None:
        raise ValueError(f"{path.name} is packed with zstd: install dpkg-deb to open it")
    verb = "--ctrl-tarfile" if stem == "control.tar" else "--fsys-tarfile"
    done = subprocess.run(["dpkg-deb", verb, str(path)], capture_output=True)
    if done.returncode:
        raise ValueError(f"{path.name} is damaged: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout
