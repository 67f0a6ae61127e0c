"""Errors that say whose they are."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def blamed(config: str) -> Iterator[None]:
    """What building or running the detector of a config raises, as one line with the config's name.

    Raises:
        ValueError: for an ImportError (an operation that Detectron2 was not compiled with), a RuntimeError (settings
            that torch cannot run, no memory), a MemoryError or an AssertionError of the block.
    """
    try:
        yield
    except (ImportError, RuntimeError, MemoryError, AssertionError) as error:
        reason = " ".join(str(error).split()) or "no reason given"
        raise ValueError(
            f"{config} does not run with these settings and this installation ({type(error).__name__}: {reason}); "
            "see --opts, --size and --device, or leave it out"
        ) from error


class Faults:
    """Parts of a job that do not run, `with faults.of(name):` around each: a fault ends its part only.

    Attributes:
        reasons: name -> why, in one line.
    """

    def __init__(self):
        self.reasons: dict[str, str] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """What `blamed` names, a ValueError or an OSError of the block is noted under a name, and goes no further."""
        try:
            with blamed(name):
                yield
        except (ValueError, OSError) as error:
            self.reasons[name] = str(error)

    def tell(self) -> None:
        """ValueError: with what did not run, if anything did not."""
        if self.reasons:
            raise ValueError("\n".join(dict.fromkeys(self.reasons.values())))
