"""Photographs for backgrounds: those inside scikit-image's wheel, and folders of more; each in one split only."""

import functools
import hashlib
import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dense_det.data.idcards.chance import happens, pick

logger = logging.getLogger(__name__)

# scikit-image's wheel holds no more photographs than these (its other pictures are downloaded, or are drawn);
# page.png and text.png are left out: they show documents. A stereo pair is one scene: both views are in train.
SHIPPED = {
    "train": ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coins.png", "grass.png",
              "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "motorcycle_right.png"),
    "val": ("coffee.png", "gravel.png", "rocket.jpg", "retina.jpg"),
}  # fmt: skip
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_VAL_EVERY = 5
_LEAST_SIDE, _LONGEST_SIDE = 120, 1400  # pixels; longer ones are shrunk, for memory and speed


@dataclass(frozen=True, slots=True)
class Photo:
    """A file and the name it has in records; `digest` of its content."""

    name: str
    path: str
    digest: str


def shipped_folder() -> Path:
    """scikit-image's folder of data files.

    Raises:
        ImportError: scikit-image is not installed.
    """
    spec = importlib.util.find_spec("skimage")
    if spec is None:
        raise ImportError('scenes of ID documents need faker and scikit-image: pip install "dense_det[scenes]"')
    return Path(spec.origin).parent / "data"


def find_photos(files=()) -> tuple[dict[str, list[Photo]], list[str]]:
    """The photographs of "train" and "val", and what could not be read.

    Args:
        files: (name, path) of more photographs; split by content, so the same picture under two names is taken once.
    """
    root = shipped_folder()
    photos = {
        split: [Photo(f"skimage/{name}", str(root / name), _digest(root / name)) for name in names]
        for split, names in SHIPPED.items()
    }
    seen = {photo.digest for split in photos.values() for photo in split}
    problems = []
    for name, path in files:
        try:
            digest = _digest(Path(path))
            if digest in seen:
                continue
            seen.add(digest)
            _read(str(path))
        except (OSError, ValueError) as error:
            problems.append(f"photograph {name} is left out: {error}")
            logger.warning(problems[-1])
            continue
        split = "train" if int(digest, 16) % _VAL_EVERY else "val"
        photos[split].append(Photo(name, str(path), digest))
    return photos, problems


def folder_photos(folder) -> list[tuple[str, Path]]:
    """(name, path) of the pictures below `folder`, read or not.

    Raises:
        ValueError: it is no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of photographs")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return [(f"{folder.name}/{path.relative_to(folder).as_posix()}", path) for path in paths]


def crop_photo(rng: np.random.Generator, photo: Photo, size: tuple[int, int], closest: float = 0.35) -> np.ndarray:
    """A random view (height, width, 3) RGB of `photo`: cropped, mirrored, turned, at times repeated as a surface.

    Args:
        size: (width, height) in pixels.
        closest: the smallest share of the photograph's side that a view shows.
    """
    image = _read(photo.path)
    width, height = size
    if happens(rng, 0.3):
        image = np.rot90(image, int(rng.integers(1, 4)))
    if happens(rng, 0.5):
        image = image[:, ::-1]
    share = rng.uniform(closest, 1)
    if happens(rng, 0.25):
        # mirrored at its edges: a surface without seams that goes on, as cloth, stone or lawn does
        image = np.concatenate(
            [np.concatenate([image, image[:, ::-1]], 1), np.concatenate([image[::-1], image[::-1, ::-1]], 1)]
        )
    h, w = image.shape[:2]
    wide = min(w, h * width / height) * share
    high = wide * height / width
    x, y = rng.uniform(0, w - wide), rng.uniform(0, h - high)
    view = np.ascontiguousarray(image[int(y) : int(y + high) + 1, int(x) : int(x + wide) + 1])
    view = cv2.resize(view, size, interpolation=cv2.INTER_AREA if wide > width else cv2.INTER_CUBIC)
    return _recolored(rng, view)


def _recolored(rng: np.random.Generator, view: np.ndarray) -> np.ndarray:
    """Other colours, and an out-of-focus copy: few photographs have to serve for many places."""
    way = pick(rng, ["as it is", "hue", "tint"], [0.62, 0.12, 0.26])
    if way == "hue":
        hsv = cv2.cvtColor(view, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + int(rng.integers(180))) % 180
        view = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    elif way == "tint":
        grey = view.mean(2, keepdims=True)
        view = (
            (grey * rng.uniform(0.7, 1.1) * rng.uniform(0.82, 1.0, 3) + rng.uniform(0, 40))
            .clip(0, 255)
            .astype(np.uint8)
        )
    if happens(rng, 0.45):
        view = cv2.GaussianBlur(view, (0, 0), float(rng.choice([0.8, 1.6, 3.0, 8.0])))
    return view


@functools.lru_cache(128)
def _read(path: str) -> np.ndarray:
    image = read_picture(path)
    if min(image.shape[:2]) < _LEAST_SIDE:
        raise ValueError(f"{image.shape[1]} x {image.shape[0]} pixels are too few: at least {_LEAST_SIDE} a side")
    shrink = _LONGEST_SIDE / max(image.shape[:2])
    return cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else image


def read_picture(path) -> np.ndarray:
    """(H, W, 3) RGB uint8, as the file has its rows: not turned by its EXIF orientation.

    Raises:
        ValueError: OpenCV cannot read it.
    """
    # the file's own bytes, so that names of any kind can be read
    content = np.fromfile(path, np.uint8)
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if len(content) else None
    except cv2.error:  # too large, for one
        image = None
    if image is None:
        raise ValueError(f"{path} is no picture that OpenCV can read")
    return np.ascontiguousarray(image[:, :, ::-1])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
