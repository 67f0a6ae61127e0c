"""Errors that say whose they are."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def blamed(config: str) -> Iterator[None]:
    """What building or running the detector of a config raises, as one line with the config's name.

    Raises:
        ValueError: for an ImportError (an operation that Detectron2 was not compiled with), a RuntimeError (settings
            that torch cannot run, no memory) or an AssertionError of the block.
    """
    try:
        yield
    except (ImportError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split()) or "no reason given"
        raise ValueError(
            f"{config} does not run with these settings and this installation ({type(error).__name__}: {reason}); "
            "see --opts, --size and --device, or leave it out"
        ) from error
