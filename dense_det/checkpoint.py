"""Checkpoints that survive a kill and cannot run code: written whole, read with weights_only, damage is named."""

import logging
import pickle
import re
import zipfile
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer

from dense_det.atomic_file import atomic_file
from dense_det.suggest import unknown

logger = logging.getLogger(__name__)

NUMBERED = re.compile(r"model_(\d+)\.pth")


class DamagedCheckpoint(ValueError):
    """The file is truncated, changed or no checkpoint at all."""


def read_checkpoint(path, trust_pickle: bool = False) -> dict:
    """Everything a checkpoint file holds, on the CPU: {"model": {name: tensor}, ...}.

    A bare state dict, or one under "state_dict", is put under "model".

    Args:
        trust_pickle: also read files that torch will not read with weights_only (they may run any code).

    Raises:
        FileNotFoundError: no such file.
        DamagedCheckpoint: truncated, bits changed, or not a torch file.
        ValueError: an address (nothing is downloaded), or a pickle without `trust_pickle`.
    """
    if "://" in str(path):
        raise ValueError(f"{path}: weights are read from files, nothing is downloaded: fetch it and give the path")
    path = Path(path)
    if not path.is_file():
        there = sorted(p.name for p in path.parent.glob("*.pth")) if path.parent.is_dir() else []
        raise FileNotFoundError(unknown(f"weights file in {path.parent}/", path.name, there))
    checkpoint = _load_trusted(path) if trust_pickle else _load_safely(path)
    if not isinstance(checkpoint, dict):
        raise DamagedCheckpoint(f"{path}: expected a dict of tensors, got a {type(checkpoint).__name__}")
    if "model" not in checkpoint:
        checkpoint = {"model": checkpoint.get("state_dict", checkpoint)}
    return checkpoint


def _load_safely(path: Path) -> dict:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                changed = archive.testzip()  # torch does not compare the checksums that it writes
            if changed:
                raise DamagedCheckpoint(f"{path}: damaged ({changed} does not match its checksum)")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: holds more than tensors and plain values, so it is a pickle that may run any code, or damaged. "
            "If you made it yourself: --trust-pickle"
        ) from error
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        if isinstance(error, DamagedCheckpoint):
            raise
        raise DamagedCheckpoint(
            f"{path}: damaged or not a checkpoint ({str(error)[:200] or type(error).__name__})"
        ) from error


def _load_trusted(path: Path) -> dict:
    if path.suffix == ".pkl":
        with open(path, "rb") as file:
            return pickle.load(file, encoding="latin1")
    return torch.load(path, map_location="cpu", weights_only=False)


def load_weights(model: torch.nn.Module, path, trust_pickle: bool = False, complete: bool = True) -> None:
    """Fill `model` from a checkpoint; its averaged weights (SOLVER.EMA_DECAY) are preferred to the raw ones.

    Args:
        complete: every tensor of the model must be in the file with its shape, as evaluation needs;
            else what fits is taken (to start a training) and the rest is logged.

    Raises:
        ValueError: nothing fits, or with `complete` not everything; and what `read_checkpoint` raises.
    """
    checkpoint = read_checkpoint(path, trust_pickle)
    if "ema" in checkpoint:
        checkpoint["model"] = checkpoint["ema"]["model"]
    checkpointer = Checkpointer(model)
    wanted = len(model.state_dict())
    incompatible = checkpointer._load_model(checkpoint)
    lacking = list(incompatible.missing_keys) + [name for name, *_ in incompatible.incorrect_shapes]
    found = wanted - len(set(lacking))
    logger.info("%s: %d of the model's %d tensors loaded", path, found, wanted)
    if found == 0 or (complete and lacking):
        raise ValueError(
            f"{path}: {found} of the model's {wanted} tensors are in it; missing or of another shape: "
            f"{', '.join(lacking[:5])}{' ...' if len(lacking) > 5 else ''}. Is it another variant or number of classes?"
        )
    if lacking or incompatible.unexpected_keys:
        checkpointer._log_incompatible_keys(incompatible)


class Checkpointer(DetectionCheckpointer):
    """Detectron2's checkpointer with atomic files, safe reading, and a way back when the last file is damaged."""

    def save(self, name: str, **extra) -> None:
        """Write `name`.pth with the model, every checkpointable and `extra`; then tag it as the last one."""
        if not self.save_dir or not self.save_to_disk:
            return
        states = {key: obj.state_dict() for key, obj in self.checkpointables.items()}
        self.save_weights(name, self.model, **states, **extra)
        self.tag_last_checkpoint(f"{name}.pth")

    def save_weights(self, name: str, model: torch.nn.Module, **extra) -> None:
        """Write `name`.pth with `model` and `extra` only, untagged: a file to use, not to resume from."""
        if self.save_to_disk:
            with atomic_file(Path(self.save_dir) / f"{name}.pth", "wb") as file:
                torch.save({"model": model.state_dict(), **extra}, file)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        with atomic_file(Path(self.save_dir) / "last_checkpoint") as file:
            file.write(last_filename_basename)

    def resume(self) -> None:
        """Load the newest checkpoint that is whole, everything in it.

        A damaged one is named in a warning and the one before is tried.

        Raises:
            ValueError: there is none, or all are damaged.
        """
        candidates = resumable(self.save_dir)
        for path in candidates:
            try:
                checkpoint = read_checkpoint(path)
            except ValueError as error:
                logger.warning("%s; trying the one before", error)
                continue
            self._log_incompatible_keys(self._load_model(checkpoint))
            for key, checkpointable in self.checkpointables.items():
                checkpointable.load_state_dict(checkpoint[key])
            logger.info("resuming from %s", path)
            return
        names = ", ".join(p.name for p in candidates) or "none there"
        raise ValueError(f"no whole checkpoint to resume from in {self.save_dir}: {names}")

    def _load_file(self, filename: str) -> dict:
        return read_checkpoint(filename)


def resumable(folder) -> list[Path]:
    """The checkpoints of a run that training can go on from, newest first."""
    folder = Path(folder)
    numbered = sorted((p for p in folder.glob("model_*.pth") if NUMBERED.fullmatch(p.name)), reverse=True)
    final = folder / "model_final.pth"
    return ([final] if final.is_file() else []) + numbered
