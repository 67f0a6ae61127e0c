"""What a plan found in files, kept beside it: one that was stopped, or is made again, need not read them again."""

import logging
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

from dense_det.distillation.inspection import Inspected
from dense_det.distillation.sources import Candidate

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 256  # written at once: what is lost to kill -9
_TABLE = """CREATE TABLE IF NOT EXISTS files (name BLOB, way TEXT, size INTEGER, modified INTEGER, changed INTEGER,
    width INTEGER, height INTEGER, digest BLOB, PRIMARY KEY (name, way)) WITHOUT ROWID"""

Stamp = tuple[int, int, int]  # bytes of a file, and nanoseconds at which its contents and it itself were changed


class InspectedFiles:
    """Good images by file name, as long as their stamp is the same; a context manager keeps what is new in the end.

    A memory, no more: where it cannot be read or written, files are read again. An image is labelled only if its bytes
    are those of the plan, whatever its stamp was.

    Args:
        path: of the file, made if it is missing, and made anew if it is none of this kind.
        way: how files were looked at; others looked at them in another way.
    """

    def __init__(self, path: Path, way: str):
        self._path, self._way, self._new, self._file, self._is_usable = path, way, [], None, True
        if path.exists():
            self._do(lambda file: None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._write()
        if self._file:
            self._file.close()

    def get(self, name: str, stamp: Stamp) -> Inspected | None:
        """What was found in a file of that stamp; None: nobody knows."""
        if not self._file:
            return None
        command = "SELECT size, modified, changed, width, height, digest FROM files WHERE name = ? AND way = ?"
        row = self._do(lambda file: file.execute(command, (os.fsencode(name), self._way)).fetchone())
        return Inspected(*row[3:]) if row and row[:3] == stamp else None

    def put(self, name: str, stamp: Stamp, found: Inspected) -> None:
        """Remember a good image."""
        self._new.append((os.fsencode(name), self._way, *stamp, found.width, found.height, found.digest))
        if len(self._new) >= _ROWS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        rows, self._new = self._new, []
        if rows:
            self._do(lambda file: _insert(file, rows))

    def _do(self, what: Callable):
        """With the opened file, which is given up where that fails: then and afterwards None."""
        try:
            if self._is_usable:
                self._file = self._file or _opened(self._path)
                return what(self._file)
        except sqlite3.Error as error:
            logger.warning("%s: %s: the next plan will read all files again", self._path, error)
            self._is_usable = False
        return None


def _insert(file: sqlite3.Connection, rows: list[tuple]) -> None:
    with file:  # all or none
        file.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def stamp_of(candidate: Candidate) -> Stamp | None:
    """Of an image that is a file of its own; None: not one, or none that can be looked at."""
    if candidate.other or candidate.reason or candidate.size or candidate.content is not None:
        return None
    try:
        status = os.stat(candidate.file_name)
    except (OSError, ValueError):  # not there, or a name with a null byte
        return None
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns) if stat.S_ISREG(status.st_mode) else None


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _with_table(path)
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # its kinds tell of a lock or of the disk, not of the contents
            raise
        path.unlink(missing_ok=True)
        return _with_table(path)


def _with_table(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path)
    try:
        file.execute(_TABLE)
    except sqlite3.Error:
        file.close()
        raise
    return file
