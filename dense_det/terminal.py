"""What a tool takes from the terminal and says there, and how it ends."""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

MISTAKE, STOPPED = 2, 130  # exit codes


def tell(lines: Iterable[str]) -> int:
    """Print lines as a job gives them; the exit code of the tool.

    What the user can mend (ValueError, OSError, ImportError) is one line on the standard error; after Ctrl-C it is said
    that the same command goes on.
    """
    try:
        for line in lines:
            print(line, flush=True)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("stopped; what is finished stays, the same command goes on", file=sys.stderr)
        return STOPPED
    return 0


def output_file(path: str) -> Path:
    """argparse's type of a file that is written when all is done: what would fail then is said before the work.

    Raises:
        argparse.ArgumentTypeError: a folder, or a place where nothing can be written.
    """
    if Path(path).is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder, expected a file to write: name one in it")
    _require_writable(Path(path).absolute().parent, path)
    return Path(path)


def output_folder(path: str) -> Path:
    """As output_file, of a folder that there is or that is made.

    Raises:
        argparse.ArgumentTypeError: a file, or a place where nothing can be written.
    """
    _require_writable(Path(path).absolute(), path)
    return Path(path)


def _require_writable(folder: Path, given: str) -> None:
    while not os.path.lexists(folder):  # it is made where it is missing
        folder = folder.parent
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{given} cannot be written: {folder} is no folder, take another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"{given} cannot be written: no permission in {folder}, take another place")
