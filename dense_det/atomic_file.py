"""Files that appear whole or not at all."""

import errno
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

# what exFAT, and some of SMB and FUSE, answer to a hard link
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def atomic_file(path, mode: str = "w"):
    """Open a temporary neighbour of `path` for writing; rename it to `path` when the block ends well.

    A crash, a full disk or an exception inside the block leaves the old `path` (or none) untouched.
    Missing parent folders are made. `mode` is "w" (UTF-8 text) or "wb".

    Raises:
        ValueError: another mode.
        OSError: a full disk, with what to do; and whatever the block raises.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"atomic_file writes whole files: mode must be 'w' or 'wb', got {mode!r}")
    with _neighbour(path, mode, os.replace) as file:
        yield file


def create_file(path, text: str) -> bool:
    """Write a file that is not there yet, whole or not at all; False, and nothing done, where there is one.

    Of several processes that try, on one machine or many, exactly one gets True. Where the file system has no hard
    links, others may see the file empty for a moment, and a crash in it leaves it so.
    """
    try:
        with _neighbour(path, "w", _publish_new) as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _publish_new(temporary, path) -> None:
    """Give the file at `temporary` the name `path`, too, or alone; raises FileExistsError where another was faster."""
    try:
        os.link(temporary, path)  # unlike a rename it fails when there is one
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(temporary, path)


@contextmanager
def _neighbour(path, mode: str, publish):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes 0600: a result is for others to read, too
        publish(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = f"the disk is full: make room and run again, what was there stays ({os.strerror(error.errno)})"
        raise OSError(error.errno, reason, str(path)) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
