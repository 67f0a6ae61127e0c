"""Steps of a longer job: each is a tool in a process of its own, with a log, and is not done twice."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.folder_lock import FolderLock


@dataclass(frozen=True)
class Step:
    """Attributes:
    name: of the log, and what people see.
    words: the tool, as a file of the repository, and its arguments.
    result: what the step leaves when it is finished; a step whose result is there is not run again. None: it is run
        again each time, since the tool itself knows what is finished.
    """

    name: str
    words: tuple[str, ...]
    result: Path | None


class StepFailed(ValueError):
    """A tool that did not end well; the message has its last words."""


class Failures:
    """Parts of a job that do not need each other, `with failures:` around each: a failed step ends its part only."""

    def __init__(self):
        self.messages: list[str] = []

    def __enter__(self) -> "Failures":
        return self

    def __exit__(self, kind, error, traceback) -> bool:
        if isinstance(error, StepFailed):
            self.messages.append(str(error))
            return True
        return False

    def tell(self) -> None:
        """ValueError: with what failed, if anything did."""
        if self.messages:
            raise ValueError("\n".join(self.messages))


class Steps:
    """Runs tools, one after the other or several at once, and keeps the seconds that each took.

    `with Steps(...) as steps:` holds the folder: no other job begins in it until this one and all of its tools have
    ended; a tool outlives a `kill -9` of its job.

    Args:
        root: of the repository.
        folder: for logs/<name>.log and steps.json.
        say: is called with a line for people.
        threads: of the machine; a step gets its share of them.
    """

    def __init__(self, root: Path, folder: Path, say: Callable[[str], None], threads: int):
        self.root, self.folder, self.say, self.threads = root, folder, say, threads
        self._times = folder / "steps.json"
        self._guard = threading.Lock()  # of what steps that run side by side note
        self._lock: FolderLock | None = None
        self._at_work = {os.getpid(): Path(sys.argv[0]).name}
        # None: at work, or killed amid it
        self._took: dict[str, float | None] = json.loads(self._times.read_text()) if self._times.is_file() else {}

    @property
    def seconds(self) -> dict[str, float]:
        """Of each step, however often it was begun, but for those that were killed: nobody has measured that part."""
        return {name: took for name, took in self._took.items() if took is not None}

    @property
    def num_untimed(self) -> int:
        """Steps that were killed once."""
        return len(self._took) - len(self.seconds)

    def __enter__(self) -> "Steps":
        """ValueError: others are at work in the folder."""
        self._lock = FolderLock(self.folder)
        self._lock.tell(self._at_work)
        return self

    def __exit__(self, *_) -> None:
        self._lock.release()
        self._lock = None

    def run(self, steps: list[Step], at_once: int = 1) -> None:
        """All of `steps`, `at_once` of them side by side.

        Raises:
            StepFailed: of the first that failed; those that run beside it go on to their end, later ones do not start.
        """
        assert self._lock, "with Steps(...) as steps: ..."
        open_steps = [step for step in steps if step.result is None or not step.result.exists()]
        with ThreadPoolExecutor(max(1, at_once)) as pool:
            futures = [pool.submit(self._run, step, max(1, self.threads // max(1, at_once))) for step in open_steps]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _run(self, step: Step, threads: int) -> None:
        log = self.folder / "logs" / f"{step.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, str(self.root / step.words[0]), *step.words[1:]]
        before, start = self._took.get(step.name, 0.0), time.monotonic()
        self._note(step.name, None)
        with open(log, "ab") as file:
            code = self._call(step.name, command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        took = None if before is None else before + time.monotonic() - start
        self._note(step.name, took)
        if code or (step.result is not None and not step.result.exists()):
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise StepFailed(
                f"{step.name} ended with code {code}; {log} ends with:\n  " + "\n  ".join(last) + "\n"
                "what is finished stays: the same command goes on from here"
            )
        self.say(f"{step.name}: " + ("ended, begun by one that was killed" if took is None else f"{took / 60:.1f} min"))

    def _note(self, name: str, took: float | None) -> None:
        with self._guard:
            self._took[name] = took
            with atomic_file(self._times) as file:
                json.dump(self._took, file, indent=1)

    def _call(self, name: str, command: list[str], **options) -> int:
        """The exit code of a process, which holds the folder, too."""
        with subprocess.Popen(command, pass_fds=(self._lock.descriptor,), **options) as process:
            with self._guard:
                self._at_work[process.pid] = name
                self._lock.tell(self._at_work)
            code = process.wait()
        with self._guard:
            del self._at_work[process.pid]
            self._lock.tell(self._at_work)
        return code


def training_step(name: str, config, train, validation, folder: Path, opts, pseudo_labels=None) -> Step:
    """A training by tools/train_net.py that ends with its evaluation; one that was stopped goes on.

    Args:
        train, validation: (COCO file, folder of its images).
        folder: its OUTPUT_DIR.
        opts: KEY VALUE KEY VALUE ...
        pseudo_labels: a COCO file that tools/pseudo_label.py wrote, or None.
    """
    words = ["tools/train_net.py", "--config-file", config]
    words += ["--train-json", train[0], "--train-images", train[1]]
    words += ["--val-json", validation[0], "--val-images", validation[1]]
    words += ["--pseudo-json", pseudo_labels] if pseudo_labels else []
    words += ["--resume"] if any(folder.glob("model_*.pth")) else []
    words += [*opts, "OUTPUT_DIR", folder]
    return Step(name, tuple(str(word) for word in words), folder / "evaluation" / "metrics.json")
