"""Whether a candidate is an image to label: its size, its content hash, or the reason why not."""

import io
import os
import stat
from dataclasses import dataclass

from PIL import Image

from dense_det.data.check_images import read_image_stream
from dense_det.deploy.images import num_pictures
from dense_det.deploy.runtime import DRAWINGS
from dense_det.distillation.sources import MOST_BYTES, Candidate
from dense_det.distillation.work_folder import page_digest


@dataclass(frozen=True, slots=True)
class Inspected:
    """Size of the upright image in pixels and SHA-256 of the exact bytes, or the `reason` why it is left out."""

    width: int = 0
    height: int = 0
    digest: bytes = b""
    reason: str = ""


def inspect(candidate: Candidate, max_pixels: int, decode: bool = False) -> Inspected:
    """Look at a candidate; never raises for what it is or holds.

    Args:
        max_pixels: larger images are left out, before they are decoded.
        decode: decode every image in full; see dense_det.data.check_images for what is found without.
    """
    if candidate.reason:
        return Inspected(reason=candidate.reason)
    if candidate.size:
        too_large = _too_large(candidate.size, max_pixels)
        digest = bytes.fromhex(page_digest(candidate.sha256, candidate.page))
        return Inspected(*candidate.size, digest, too_large)
    if candidate.content is not None:
        return _inspect_stream(io.BytesIO(candidate.content), max_pixels, decode)
    try:
        status = os.stat(candidate.file_name)
        if not stat.S_ISREG(status.st_mode):
            return Inspected(reason="not a file")
        if status.st_size > MOST_BYTES:
            return Inspected(reason=f"{status.st_size} bytes; at most {MOST_BYTES} are read")
        with open(candidate.file_name, "rb") as file:
            return _inspect_stream(file, max_pixels, decode)
    except FileNotFoundError:
        return Inspected(reason="no such file")
    except Exception as error:  # no permission, a loop of links, a name with a null byte, ...
        return Inspected(reason=f"{type(error).__name__}: {error}")


def _inspect_stream(file, max_pixels: int, decode: bool) -> Inspected:
    if reason := _header_reason(file, max_pixels):
        return Inspected(reason=reason)
    found = read_image_stream(file, decode)
    return Inspected(found.width, found.height, found.digest, found.reason)


def _header_reason(file, max_pixels: int) -> str:
    """What the header alone tells against an image; "" also where the decoder is to say what is wrong."""
    try:
        image = Image.open(file)
        if image.format in DRAWINGS:
            return f"{image.format}: drawings are not decoded"
        if too_large := _too_large(image.size, max_pixels):
            return too_large
        if (frames := num_pictures(image)) > 1:
            what = "pages; save each as a file" if image.format == "TIFF" else "frames: animated"
            return f"{image.format} of {frames} {what}"
    except Exception:
        return ""
    return ""


def _too_large(size: tuple[int, int], max_pixels: int) -> str:
    width, height = size
    return f"{width}x{height} pixels; at most {max_pixels} are read" if width * height > max_pixels else ""
