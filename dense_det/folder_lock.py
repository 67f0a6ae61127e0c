"""A folder in which one job works at a time."""

import fcntl
import logging
import os
from pathlib import Path

LOCK_NAME = ".lock"
_logger = logging.getLogger(__name__)


class FolderLock:
    """FOLDER/.lock, held by this process and by each child that gets `descriptor` (pass_fds), until all have ended.

    So children that outlive their parent, after its `kill -9`, still keep others out. The kernel lets go of it; a
    .lock that lies there bars nobody. A file system without such locks leaves the folder open to all.

    Raises:
        ValueError: others are at work in the folder, with their process ids.
    """

    def __init__(self, folder: Path):
        self._path = folder / LOCK_NAME
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(self._path, "a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise ValueError(
                f"{folder}: at work here is {_at_work(self._path)}: wait for its end, or end it; then the same command"
                " goes on"
            ) from error
        except OSError as error:
            _logger.warning("%s: no lock (%s); nothing keeps a second job out", folder, error)

    @property
    def descriptor(self) -> int:
        return self._file.fileno()

    def tell(self, processes: dict[int, str]) -> None:
        """Who works here, id -> name, for those that are kept out."""
        self._file.truncate(0)
        self._file.write("".join(f"{pid} {name}\n" for pid, name in processes.items()))
        self._file.flush()

    def release(self) -> None:
        self._file.close()


def _at_work(path: Path) -> str:
    """ "make_zoo.py (pid 7), snet-seed0 (pid 8)": of those that are told, the ones that live."""
    rows = [line.partition(" ") for line in path.read_text(encoding="utf-8").splitlines()]
    told = {int(pid): name for pid, _, name in rows if pid.isdigit()}
    # on another machine that shares the folder none of them is found
    alive = {pid: name for pid, name in told.items() if _is_alive(pid)} or told
    return ", ".join(f"{name} (pid {pid})" for pid, name in alive.items()) or "another process"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True
