"""Candidates one after the other with what is in them, looked at a few ahead."""

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from dense_det.distillation.inspected_files import InspectedFiles, Stamp, stamp_of
from dense_det.distillation.inspection import Inspected, inspect
from dense_det.distillation.sources import Candidate

_AHEAD, _BYTES_AHEAD = 32, 64 << 20  # candidates in work at a time, and of their contents: what bounds memory


def inspect_all(
    candidates: Iterable[Candidate], known: InspectedFiles, max_pixels: int, decode: bool, threads: int
) -> Iterator[tuple[Candidate, Inspected | None]]:
    """Candidates with what was found, in their order; None: an `other` one. Pillow and hashing release the lock.

    They come without their `content`: what was looked at is not held.

    Args:
        known: what need not be looked at again, and what will not be.
        max_pixels, decode: see inspect.
    """
    waiting = deque()  # rows of _settled
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("ignore")  # of odd EXIF and large images
        for candidate in candidates:
            size = len(candidate.content or b"")
            while len(waiting) >= _AHEAD or (waiting and size + _bytes_held(waiting) > _BYTES_AHEAD):
                yield _settled(known, *waiting.popleft())
            stamp = stamp_of(candidate)
            found = known.get(candidate.file_name, stamp) if stamp else None
            if not found and not candidate.other:
                found = pool.submit(inspect, candidate, max_pixels, decode)
            waiting.append((replace(candidate, content=None), size, stamp, found))
        for row in waiting:
            yield _settled(known, *row)


def _settled(
    known: InspectedFiles, candidate: Candidate, size: int, stamp: Stamp | None, found: Inspected | Future | None
) -> tuple[Candidate, Inspected | None]:
    if isinstance(found, Future):
        found = found.result()
        if stamp and not found.reason:
            known.put(candidate.file_name, stamp, found)
    return candidate, found


def _bytes_held(waiting: Iterable) -> int:
    return sum(size for _, size, _, found in waiting if size and not found.done())
