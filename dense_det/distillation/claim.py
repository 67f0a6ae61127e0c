"""Claims: who labels a shard now, so that two runs on one folder, or two machines, do not label it twice.

A claim saves work and guards nothing: whoever errs about one labels the shard again, to the same bytes. Its file says
on which machine and by which process, and is touched while that goes on. It is abandoned when the process is dead,
which only its own machine can tell, or says in it that it gave up, or when it was not touched for SILENCE_SECONDS.
Nobody removes another's claim, for it might be a new one by then: one takes over by making the file with the next
number, which only one can make.

What the dead have left stays until the shard is finished, and so does what those have that gave up: one file each,
which may name the image at which one died.
"""

import contextlib
import json
import os
import re
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dense_det.atomic_file import create_file
from dense_det.distillation.work_folder import Shards, to_json, write_json

SILENCE_SECONDS = 600  # more than any image takes
_TOUCH_SECONDS = 10


class Claim:
    """The claim file with the `number`, which is ours, and those with lower numbers, which are abandoned.

    Args:
        owner: what our file says.
        dead: numbers of the abandoned ones.

    `deaths` counts these, but for those that gave up; `deaths_at` does, by the id of the image that they name.
    """

    def __init__(self, shards: Shards, shard: int, number: int, owner: dict, dead: list[int]):
        self.paths = [shards.claim(shard, n) for n in range(number + 1)]
        owners = [_owner_or_none(self.paths[n]) or {} for n in dead]
        self.deaths = sum(not owner.get("gave_up") for owner in owners)
        self.deaths_at = Counter(owner["image"] for owner in owners if owner.get("image") is not None)
        self._shards, self._shard, self._owner = shards, shard, owner
        self._touched, self._gave_up = time.monotonic(), False

    def touch(self) -> None:
        """Say that the work goes on; to be called often, it seldom does anything."""
        if time.monotonic() - self._touched > _TOUCH_SECONDS:
            self._touched = time.monotonic()
            with contextlib.suppress(FileNotFoundError):  # we were taken for dead: the same bytes, twice
                os.utime(self.paths[-1])

    def look_at(self, image_id: int | None) -> None:
        """Write down which image comes next, None for none: whoever finds our claim abandoned knows where we died."""
        with contextlib.suppress(FileNotFoundError):  # swept away as left over, by one who took us for dead
            write_json(self.paths[-1], self._owner | {"image": image_id})

    def give_up(self) -> None:
        """Let our file stay, as of one who died: the next run looks at the other shards before this one. It names no
        image: what the machine or the teacher failed on may be well the next time."""
        self._gave_up = True
        with contextlib.suppress(FileNotFoundError):
            write_json(self.paths[-1], self._owner | {"gave_up": True})

    def release(self) -> None:
        """Remove our file, unless we gave up, and of a finished shard those of the dead."""
        ours = [] if self._gave_up else self.paths[-1:]
        for path in self.paths if self._shards.is_finished(self._shard) else ours:
            path.unlink(missing_ok=True)
        for left_over in self.paths[0].parent.glob(f".{self.paths[0].name.partition('.')[0]}.*.tmp"):
            left_over.unlink(missing_ok=True)


@contextlib.contextmanager
def claimed(shards: Shards, shard: int) -> Iterator[Claim | None]:
    """A claim until the block ends, however it ends; None where another process has one."""
    claim = _take(shards, shard)
    try:
        yield claim
    finally:
        if claim:
            claim.release()


def _take(shards: Shards, shard: int) -> Claim | None:
    found = claim_numbers(shards, shard)
    if found and not is_abandoned(shards.claim(shard, max(found))):
        return None
    number = max(found, default=-1) + 1
    owner = {"machine": _machine(), "pid": os.getpid(), "started": process_start(os.getpid())}
    owner["time"] = time.strftime("%Y-%m-%d %H:%M:%S")
    with contextlib.suppress(FileNotFoundError):  # swept away as left over, by the one who ends: next time
        if create_file(shards.claim(shard, number), to_json(owner)):
            return Claim(shards, shard, number, owner, found)
    return None


def claim_numbers(shards: Shards, shard: int) -> list[int]:
    """Numbers of a shard's claims: of those who died at it or gave up, and perhaps of one who works."""
    pattern = re.compile(rf"shard-{shard:06d}\.(\d+)\.json")
    names = (path.name for path in shards.claim(shard, 0).parent.glob(f"shard-{shard:06d}.*"))
    return [int(match[1]) for name in names if (match := pattern.fullmatch(name))]


def _owner_or_none(path: Path) -> dict | None:
    with contextlib.suppress(FileNotFoundError):
        return _owner(path)
    return None


def is_abandoned(path: Path) -> bool:
    """Whether nobody works under the claim at `path` any more; False of one that was released this moment.

    Of a claim that does not say whose it is, only its age tells: a machine may crash before it has written it.
    """
    try:
        owner, touched = _owner(path), path.stat().st_mtime
    except FileNotFoundError:
        return False
    if owner and owner.get("gave_up"):
        return True
    if owner and owner["machine"] == _machine() and owner["started"] not in (None, process_start(owner["pid"])):
        return True
    with tempfile.TemporaryFile(dir=path.parent) as now:  # by the clock of the file system: machines differ
        return os.fstat(now.fileno()).st_mtime - touched > SILENCE_SECONDS


def _owner(path: Path) -> dict | None:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return owner if isinstance(owner, dict) and owner.keys() >= {"machine", "pid", "started"} else None


def process_start(pid: int) -> str | None:
    """When a process of this machine was started, in its kernel's own count; None of one that is dead or unknown."""
    try:
        # behind the name, which may hold anything: state, parent, ..., the 20th is the start (man 5 proc)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _machine() -> str:
    """Host name, start of its kernel, and the numbering of processes, which a container has for itself."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)
