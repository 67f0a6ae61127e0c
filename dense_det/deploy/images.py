"""Image files of a folder, and some of them."""

import logging
from pathlib import Path

from PIL import Image

from dense_det.data.check_images import read_image_file
from dense_det.deploy.runtime import DRAWINGS, LAYERED
from dense_det.evaluation.ground_truth import GroundTruth

logger = logging.getLogger(__name__)


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


def num_pictures(image: Image.Image) -> int:
    """Pages or frames of an opened image; Detector.read refuses a file of several, too."""
    return 1 if image.format in LAYERED else getattr(image, "n_frames", 1)


def images_of(truth: GroundTruth, folder) -> list[Path]:
    """The files of a labelled set's images, in its order. ValueError: one is not there, or an image names none."""
    if nameless := [image["id"] for image in truth.images if not isinstance(image.get("file_name"), str)]:
        raise ValueError(f"the labelled image {nameless[0]!r} has no file_name: see tools/check_data.py")
    files = [Path(folder) / image["file_name"] for image in truth.images]
    if missing := [file for file in files if not file.is_file()]:
        raise ValueError(f"no file {missing[0]}: {len(missing)} of the {len(files)} labelled images are missing")
    return files


def some_of(files, most: int) -> tuple:
    """At most `most`, spread evenly: neighbours in a folder are often alike."""
    count = min(most, len(files))
    return tuple(files[k * len(files) // count] for k in range(count))


def some_readable(files, most: int) -> tuple[Path, ...]:
    """`some_of` files, without those among them that are no image, a damaged one, or several: these are told.

    Raises:
        ValueError: all of them are.
    """
    chosen = some_of(files, most)
    reasons = {file: reason for file in chosen if (reason := read_image_file(str(file)).reason or _several(file))}
    told = [f"{file}: {reason}" for file, reason in reasons.items()]
    if told and len(told) == len(chosen):
        raise ValueError(f"none of {len(told)} images can be read, for example {told[0]}")
    for line in told:
        logger.warning("left out: %s", line)
    return tuple(file for file in chosen if file not in reasons)


def _several(file) -> str:
    """What a readable file holds more than one of; "" for one picture."""
    with Image.open(file) as image:
        count = num_pictures(image)
        return f"{image.format} of {count} pages or frames; save each as a file" if count > 1 else ""
