"""Image files of a folder, and some of them."""

from pathlib import Path

from PIL import Image

from dense_det.deploy.runtime import DRAWINGS
from dense_det.evaluation.ground_truth import GroundTruth


def images_in(folder) -> tuple[Path, ...]:
    """Every file in a folder and below it whose name ends as that of an image of pixels, by name.

    Raises:
        ValueError: no folder, or none in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"no folder {folder}: give one with images")
    known = {
        suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN and kind not in DRAWINGS
    }
    files = tuple(sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in known))
    if not files:
        raise ValueError(f"no images in {folder}: no file's name ends in .jpg, .png, ...")
    return files


def images_of(truth: GroundTruth, folder) -> list[Path]:
    """The files of a labelled set's images, in its order. ValueError: one is not there."""
    files = [Path(folder) / image["file_name"] for image in truth.images]
    if missing := [file for file in files if not file.is_file()]:
        raise ValueError(f"no file {missing[0]}: {len(missing)} of the {len(files)} labelled images are missing")
    return files


def some_of(files, most: int) -> tuple:
    """At most `most`, spread evenly: neighbours in a folder are often alike."""
    count = min(most, len(files))
    return tuple(files[k * len(files) // count] for k in range(count))
