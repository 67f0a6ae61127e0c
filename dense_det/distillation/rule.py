"""What becomes of each box of a teacher: kept as a label, unsure and therefore not judged, or rejected."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dense_det.distillation.manifest import Manifest
from dense_det.distillation.shard_file import ImagePredictions, ShardPredictions
from dense_det.distillation.work_folder import InputImage, Shards

REJECTED, UNSURE, KEPT = 0, 1, 2


@dataclass(frozen=True)
class Rule:
    """Args:
    thresholds: (K,) float32; a box with at least its class's score is kept. Infinity keeps none.
    ignore_share: boxes from this share of the threshold on, up to it, are unsure: too good for background. Of an
        infinite threshold it is a share of 1.
    min_votes: with fewer votes (a share of the views) a box above the threshold is unsure, too.
    """

    thresholds: np.ndarray
    ignore_share: float = 0.5
    min_votes: float = 0.0

    def __post_init__(self):
        for name in ("ignore_share", "min_votes"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, got {value}")

    def verdicts(self, found: ImagePredictions | ShardPredictions) -> np.ndarray:
        """(R,) of REJECTED, UNSURE and KEPT."""
        thresholds = self.thresholds[found.classes]
        above = found.scores >= thresholds
        unsure = above | (found.scores >= np.minimum(thresholds, 1) * np.float32(self.ignore_share))
        return np.where(above & (found.votes >= self.min_votes), KEPT, np.where(unsure, UNSURE, REJECTED))


def read_shards(shards: Shards, num_shards: int) -> Iterator[ShardPredictions]:
    """One shard after the other.

    Raises:
        ValueError: a shard that is not finished.
    """
    return map(ShardPredictions.load, _finished(shards, num_shards))


def read_columns(shards: Shards, num_shards: int, *names: str) -> Iterator[list[np.ndarray]]:
    """Some arrays of one shard after the other, by their names in ShardPredictions; raises as read_shards does."""
    return (ShardPredictions.load_columns(path, names) for path in _finished(shards, num_shards))


def read_inputs_and_shards(shards: Shards, num_shards: int) -> Iterator[tuple[dict[int, InputImage], ShardPredictions]]:
    """One shard after the other, and its planned images by id, also those that could not be read."""
    for shard, predictions in enumerate(read_shards(shards, num_shards)):
        yield {image.id: image for image in shards.read_inputs(shard)}, predictions


def read_images(shards: Shards, num_shards: int) -> Iterator[tuple[InputImage, ImagePredictions]]:
    """Each image that could be labelled, with its boxes; a shard in memory."""
    for inputs, predictions in read_inputs_and_shards(shards, num_shards):
        for found in predictions:
            yield inputs[found.image_id], found


def _finished(shards: Shards, num_shards: int) -> Iterator[Path]:
    for shard in range(num_shards):
        if not shards.is_finished(shard):
            raise ValueError(f"{shards.root}: shard {shard} of {num_shards} is not finished: run, then select")
        yield shards.predictions(shard)


def manifest_path(labels) -> Path:
    """The file beside a file of pseudo-labels that says how they came about."""
    return Path(labels).with_suffix(".manifest.json")


def file_digest(path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_rule(labels, manifest: Manifest) -> tuple[Rule, dict]:
    """The rule that made a file of pseudo-labels, and all that `select` wrote about it.

    Raises:
        ValueError: no file of `select` beside it, labels of another teacher's predictions than `manifest`, or labels
            that were changed since.
        FileNotFoundError: the labels are gone.
    """
    path = manifest_path(labels)
    if not path.exists() and Path(labels).exists():
        raise ValueError(
            f"{path} is not there, which select writes beside its labels: give the file that select wrote. {labels} is "
            "another one, such as import-review's, or was moved alone"
        )
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        rows = about["thresholds"]
        thresholds = [np.inf if rows[name] is None else rows[name] for name in manifest.classes]
        rule = Rule(np.array(thresholds, np.float32), about["ignore_share"], about["min_votes"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: not what select writes beside {labels} ({reason}): run select again") from error
    if about.get("manifest_sha256") != manifest.sha256:
        raise ValueError(f"{labels} was selected from another teacher's predictions: select again")
    if about.get("labels_sha256") != file_digest(labels):
        raise ValueError(f"{labels} was changed since select wrote it, and {path} describes it no more: select again")
    return rule, about
