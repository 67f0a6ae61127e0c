"""What runs in a process of its own: as this package prepares processes, or as they start without it."""

import multiprocessing
import os
from collections.abc import Callable
from contextlib import contextmanager

from dense_det.environment import LEAVE, VARIABLES

SECONDS_TO_START = 300


class Apart:
    """Something that runs in a process of its own whenever it is called; a context manager starts and ends it.

    Args:
        make: picklable; called in the process, it gives what runs.
        prepared: whether `import dense_det` may set up that process.

    Raises:
        ValueError: the process does not start, on entering.
    """

    def __init__(self, make: Callable[[], Callable[[], object]], prepared: bool):
        self.make, self._prepared = make, prepared

    def __enter__(self):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.make), daemon=True)
        with _environment(self._prepared):
            self._process.start()
        theirs.close()  # so that the end of the process ends the waiting for it
        try:
            if not self._pipe.poll(SECONDS_TO_START):
                raise ValueError(f"a process did not start within {SECONDS_TO_START} s")
            self._pipe.recv()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, EOFError):
                raise ValueError("a process ended before it had started: what it wrote says why") from error
            raise
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def __call__(self) -> None:
        self._pipe.send(True)
        self._pipe.recv()


def _serve(pipe, make) -> None:
    run = make()
    run()
    pipe.send(True)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        run()
        pipe.send(True)


@contextmanager
def _environment(prepared: bool):
    """That of a process which starts meanwhile."""
    before = dict(os.environ)
    if not prepared:
        for name in VARIABLES:
            os.environ.pop(name, None)
        os.environ[LEAVE] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
