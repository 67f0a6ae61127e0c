"""Checkpoints that survive a kill and cannot run code: written whole, read with weights_only, damage is named."""

import dataclasses
import importlib.util
import logging
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.checkpoint.c2_model_loading import align_and_update_state_dicts

from dense_det.atomic_file import atomic_file
from dense_det.weights.convert import OPEN_GATE, convert
from dense_det.weights.report import Report
from dense_det.weights.source import Pixels
from dense_det.weights.weights_file import weights_file

logger = logging.getLogger(__name__)

NUMBERED = re.compile(r"model_(\d+)\.pth")

# of a part's tensors: with fewer, a file is not for this network
LEAST_SHARE = 0.5


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
        ValueError: an address (nothing is downloaded), a pickle without `trust_pickle`, or a .safetensors file
            without that package.
    """
    path = weights_file(path)
    if path.suffix == ".safetensors":
        return {"model": _load_safetensors(path)}
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
            "If you trust it: tools/convert_weights.py FILE OUT --config-file CONFIG --trust-pickle makes a safe file"
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


def _require_safetensors(path) -> None:
    if importlib.util.find_spec("safetensors") is None:
        raise ValueError(f"{path}: this kind of file needs safetensors: pip install 'dense_det[weights]'")


def _load_safetensors(path: Path) -> dict:
    _require_safetensors(path)
    import safetensors
    import safetensors.torch

    try:
        return safetensors.torch.load_file(path, device="cpu")
    except (safetensors.SafetensorError, OSError) as error:
        raise DamagedCheckpoint(f"{path}: damaged or not a safetensors file ({error})") from error


def read_weights(
    path, targets: dict[str, torch.Tensor], trust_pickle: bool = False, gate_bias: float = OPEN_GATE
) -> tuple[dict[str, torch.Tensor], Report]:
    """What a file holds for a network: its tensors under the network's names, and what became of each.

    Averaged weights (SOLVER.EMA_DECAY) are preferred to raw ones, but for other people's "ema", which has many layouts.
    Files of other people's networks are renamed and completed: see dense_det/weights.

    Args:
        targets: the network's state dict; names and shapes are read.
        gate_bias: for eSE gates that the file's network does not have: OPEN_GATE or TRAINABLE_GATE.

    Raises:
        ValueError: less than half of what the file should fill is in it; and what `read_checkpoint` raises.
    """
    checkpoint = read_checkpoint(path, trust_pickle)
    ema = checkpoint.get("ema")
    averaged = ema.get("model") if isinstance(ema, dict) else None
    state = averaged if isinstance(averaged, dict) else checkpoint["model"]
    if not isinstance(state, dict):
        raise DamagedCheckpoint(f"{path}: expected tensors by name, got a {type(state).__name__}")
    # files also keep versions and the like beside tensors
    state = {k: v for k, v in state.items() if isinstance(v, torch.Tensor | np.ndarray)}
    state = {k: torch.as_tensor(np.array(v) if isinstance(v, np.ndarray) else v) for k, v in state.items()}
    weights, report = convert(state, targets, gate_bias)
    if report.share < LEAST_SHARE and checkpoint.get("matching_heuristics"):
        caffe2 = checkpoint.get("__author__") == "Caffe2"
        weights, report = convert(align_and_update_state_dicts(targets, state, c2_conversion=caffe2), targets)
    if "pixels" in checkpoint:
        report.pixels = Pixels(**checkpoint["pixels"])
    if not report.loaded or report.share < LEAST_SHARE:
        raise ValueError(_too_few(path, report))
    return weights, report


def _too_few(path, report: Report) -> str:
    lacking = report.lacking
    return (
        f"{path}: {len(report.loaded)} of {report.owner} {report.wanted} tensors are in it; missing or of another "
        f"shape: {', '.join(lacking[:5])}{' ...' if len(lacking) > 5 else ''}. Is it another variant or number of "
        f"classes? It was taken for weights of: {report.source}"
    )


def load_weights(model: torch.nn.Module, path, trust_pickle: bool = False, complete: bool = True) -> Report:
    """Fill `model` from a checkpoint or from other people's weights, as `read_weights` finds them.

    Args:
        complete: every tensor of the model must be in the file with its shape, as evaluation needs;
            else what fits is taken (to start a training) and the rest is logged.

    Raises:
        ValueError: too little fits, or with `complete` not everything; and what `read_checkpoint` raises.
    """
    network = Checkpointer(model).model  # without DistributedDataParallel around it
    weights, report = read_weights(path, network.state_dict(), trust_pickle)
    if complete and report.lacking:
        raise ValueError(_too_few(path, report))
    network.load_state_dict(weights, strict=False)
    logger.log(logging.INFO if report.is_clean else logging.WARNING, "%s: %s", path, report.to_text())
    if report.pixels:
        _compare_pixels(network, report.pixels, path)
    return report


def save_weights(path, weights: dict[str, torch.Tensor], pixels: Pixels | None) -> None:
    """Write what `read_weights` gave, with the pixels that belong to it, as a checkpoint."""
    extra = {"pixels": dataclasses.asdict(pixels)} if pixels else {}
    with atomic_file(path, "wb") as file:
        torch.save({"model": weights, **extra}, file)


def save_safetensors(path, weights: dict[str, torch.Tensor], half: bool) -> None:
    """Write tensors by name where no code can hide, as `read_checkpoint` reads them.

    Args:
        half: kernels as 16-bit floats. Vectors (norms, biases), a hundredth of a network, keep their digits.

    Raises:
        ValueError: safetensors is not installed.
    """
    _require_safetensors(path)
    import safetensors.torch

    def stored(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.half() if half and tensor.is_floating_point() and tensor.dim() > 1 else tensor

    # copies: safetensors refuses tensors that share memory
    content = {name: stored(tensor).clone(memory_format=torch.contiguous_format) for name, tensor in weights.items()}
    with atomic_file(path, "wb") as file:
        file.write(safetensors.torch.save(content))


def _compare_pixels(network: torch.nn.Module, pixels: Pixels, path) -> None:
    """Warn where a detector feeds its network other pixels than the weights were made for."""
    if not all(hasattr(network, name) for name in ("pixel_mean", "pixel_std", "input_format")):
        return
    given = (network.pixel_mean.flatten().tolist(), network.pixel_std.flatten().tolist())
    same = network.input_format == pixels.format and all(
        len(ours) == len(theirs) and np.allclose(ours, theirs, atol=0.01)
        for ours, theirs in zip(given, (pixels.mean, pixels.std))
    )
    if not same:
        logger.warning(
            "%s expects other pixels than the config gives it (INPUT.FORMAT %s, PIXEL_MEAN %s, PIXEL_STD %s). Set\n%s",
            path,
            network.input_format,
            *([round(value, 3) for value in values] for values in given),
            pixels.as_yaml(),
        )


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
            ValueError: there is none, all are damaged, or it lacks a part that is asked for.
        """
        candidates = resumable(self.save_dir)
        for path in candidates:
            try:
                checkpoint = read_checkpoint(path)
            except ValueError as error:
                logger.warning("%s; trying the one before", error)
                continue
            if lacking := [key for key in self.checkpointables if key not in checkpoint]:
                raise ValueError(
                    f"{path} lacks {', '.join(lacking)}, which this config asks for (ema: SOLVER.EMA_DECAY). Resume as "
                    f"its training was set up, or start a new one with MODEL.WEIGHTS {path} and another OUTPUT_DIR"
                )
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
    """The checkpoints of a run that training can go on from, those with most iterations first."""
    final = Path(folder) / "model_final.pth"
    iterations = {final: _iteration(final)} if final.is_file() else {}
    numbers = {path: NUMBERED.fullmatch(path.name) for path in final.parent.glob("model_*.pth")}
    iterations |= {path: int(number[1]) for path, number in numbers.items() if number}
    return sorted(iterations, key=iterations.get, reverse=True)


def _iteration(path: Path) -> float:
    """What the final checkpoint has in it: a run that was extended went on beyond it."""
    try:
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True)["iteration"]  # reads no tensor
    except Exception:  # a damaged pickle can raise anything: as the newest, it is read whole and named
        return float("inf")
