"""The predictions of one shard of images, as arrays in one .npz file."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from dense_det.atomic_file import atomic_file


@dataclass(frozen=True)
class ImagePredictions:
    """The fused boxes of one image, best score first.

    Args:
        boxes: (R, 4) float32, xyxy in pixels of the upright image.
        scores: (R,) float32.
        classes: (R,) int32, an index into the manifest's classes.
        votes: (R,) float32 in (0, 1], the share of views (times teachers) that found the box.
        spread: (R,) float32 >= 0, how far the views disagree: the standard deviation of the box's sides over
            the views, divided by the box's mean side.
        masks: R times the bytes of COCO's compressed RLE "counts", of the whole image's size; None without masks.
    """

    image_id: int
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    votes: np.ndarray
    spread: np.ndarray
    masks: tuple[bytes, ...] | None = None

    def __len__(self) -> int:
        return len(self.scores)


# array of the file -> (dtype, shape of one row)
_ROWS = {
    "boxes": (np.float32, (4,)),
    "scores": (np.float32, ()),
    "classes": (np.int32, ()),
    "votes": (np.float32, ()),
    "spread": (np.float32, ()),
}


@dataclass(frozen=True)
class ShardPredictions:
    """All images of a shard that could be labelled, in the order of its inputs.

    Args:
        image_id: (N,) int64.
        offsets: (N + 1,) int64: rows offsets[n] to offsets[n + 1] belong to image n.
        boxes, scores, classes, votes, spread: R rows, as in ImagePredictions.
        mask_counts: uint8, the bytes of all RLE counts behind one another; None without masks.
        mask_offsets: (R + 1,) int64 into them.
    """

    image_id: np.ndarray
    offsets: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    votes: np.ndarray
    spread: np.ndarray
    mask_counts: np.ndarray | None = None
    mask_offsets: np.ndarray | None = None

    @classmethod
    def join(cls, images: Sequence[ImagePredictions]) -> "ShardPredictions":
        """One shard of several images.

        Raises:
            ValueError: images with and without masks; shapes that do not fit.
        """
        arrays = {}
        for name, (dtype, shape) in _ROWS.items():
            parts = [np.asarray(getattr(image, name), dtype).reshape(-1, *shape) for image in images]
            arrays[name] = np.concatenate([np.zeros((0, *shape), dtype), *parts])
        if len({image.masks is None for image in images}) > 1:
            raise ValueError("some images of a shard have masks and some have none; all or none must")
        if images and images[0].masks is not None:
            counts = [mask for image in images for mask in image.masks]
            arrays["mask_counts"] = np.frombuffer(b"".join(counts), np.uint8)
            arrays["mask_offsets"] = _offsets([len(mask) for mask in counts])
        shard = cls(
            image_id=np.array([image.image_id for image in images], np.int64),
            offsets=_offsets([len(image) for image in images]),
            **arrays,
        )
        shard._check("the predictions to join")
        return shard

    def __len__(self) -> int:
        """The number of images."""
        return len(self.image_id)

    def __iter__(self) -> Iterator[ImagePredictions]:
        for index, image_id in enumerate(self.image_id.tolist()):
            start, end = int(self.offsets[index]), int(self.offsets[index + 1])
            rows = slice(start, end)
            masks = None
            if self.mask_counts is not None:
                cuts = self.mask_offsets[start : end + 1].tolist()
                masks = tuple(self.mask_counts[a:b].tobytes() for a, b in zip(cuts[:-1], cuts[1:], strict=True))
            # copies: a view kept for later would keep the whole shard
            yield ImagePredictions(image_id, *(getattr(self, name)[rows].copy() for name in _ROWS), masks)

    def save(self, path) -> None:
        """Write atomically; the same predictions give the same bytes (zip entries carry no time)."""
        names = ["image_id", "offsets", *_ROWS]
        if self.mask_counts is not None:
            names += ["mask_counts", "mask_offsets"]
        with atomic_file(path, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                entry = io.BytesIO()
                np.save(entry, getattr(self, name), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue())

    @classmethod
    def load(cls, path) -> "ShardPredictions":
        """Read a file that `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: damaged, or arrays that do not fit together.
        """
        with _naming_damage(path), np.load(path, allow_pickle=False) as file:
            shard = cls(**{name: file[name] for name in file.files})
        shard._check(str(path))
        return shard

    @staticmethod
    def load_columns(path, names: Sequence[str]) -> list[np.ndarray]:
        """Only the arrays `names` of a file that `save` wrote, which is faster; raises as `load` does."""
        with _naming_damage(path), np.load(path, allow_pickle=False) as file:
            columns = [file[name] for name in names]
        if len({len(column) for column in columns}) > 1:
            raise ValueError(f"{path}: {' and '.join(names)} differ in length; delete it and run again")
        return columns

    def _check(self, what: str) -> None:
        rows = int(self.offsets[-1]) if len(self.offsets) else -1
        fits = len(self.offsets) == len(self.image_id) + 1 and (np.diff(self.offsets) >= 0).all()
        fits &= all(getattr(self, name).shape == (rows, *shape) for name, (_, shape) in _ROWS.items())
        if self.mask_counts is not None:
            fits &= len(self.mask_offsets) == rows + 1 and int(self.mask_offsets[-1]) == len(self.mask_counts)
        if not fits:
            shapes = {name: getattr(self, name).shape for name in ("image_id", "offsets", *_ROWS)}
            raise ValueError(f"{what}: arrays do not fit together: {shapes}")


@contextmanager
def _naming_damage(path):
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: damaged or no shard of predictions ({error}); delete it and run again") from error


def _offsets(lengths: list[int]) -> np.ndarray:
    """[2, 0, 3] -> [0, 2, 2, 5]"""
    return np.concatenate([[0], np.cumsum(np.array(lengths, np.int64))]).astype(np.int64)
