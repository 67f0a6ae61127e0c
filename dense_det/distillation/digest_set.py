"""A set of content hashes on disk: memory stays the same, however many there are."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

_CACHE_KIB = 8 << 10


class DigestSet:
    """SHA-256 digests by their first 128 bits, in a file that is of no use afterwards; a context manager closes it.

    Two different images among a thousand million collide with a probability of 1e-21.

    Args:
        path: of the file, which must not exist.

    Raises:
        OSError: the file cannot be written, as on a full disk; of `add`, too.
    """

    def __init__(self, path: Path):
        self._path = path
        with self._faults():
            # nobody else opens it, and after a crash nobody wants it: no locks, no journal, no waiting for the disk
            name = quote(os.fsencode(path.absolute()).lstrip(b"/"))  # the bytes of a name need be no UTF-8
            self._file = sqlite3.connect(f"file:///{name}?nolock=1", uri=True, isolation_level=None)
            self._file.executescript(
                f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_CACHE_KIB};"
                "CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN"
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def add(self, digest: bytes) -> bool:
        """Put a digest in; returns whether it is new."""
        with self._faults():
            return self._file.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest[:16],)).rowcount == 1

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: {error}: is there room on the disk? Then run the same again") from error
