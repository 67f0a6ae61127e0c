"""Plain JPEG files, decoded in two thirds of the time that PIL takes, to the same pixels; or to fewer, sooner."""

import functools
import io
import re

import cv2
import numpy as np
import torch
from PIL import Image

from dense_det.data.orientation import orientation

# the first picture of an MPO file, as some phones write them, is an ordinary JPEG
FORMATS, MODES = ("JPEG", "MPO"), ("RGB", "L")

# part of a side -> OpenCV's way to decode so
REDUCTIONS = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
_MARKER, _END = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]"), b"\xff\xd9"  # what ends a scan, and the last one

# EXIF's orientation -> upright pixels (H, W, C)
UPRIGHT = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels),
}


def decoded_jpeg(image: Image.Image) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB of a file that PIL has opened and not yet decoded, turned as its EXIF data says.

    torchvision decodes with the same library as PIL, in the end: where a first picture shows that the two agree to
    the bit, files of 8-bit colour or grey go its way. Damaged files, too, if it takes them; the library then writes
    a line about them to the standard error, which PIL keeps silent.

    Returns:
        None where PIL should decode: another kind of file, one that is cut off, a torchvision that differs.
    """
    if image.format not in FORMATS or image.mode not in MODES or not _agrees_with_pil():
        return None
    image.fp.seek(0)
    try:
        pixels = _decode(image.fp.read())
    except RuntimeError:  # cut off, or beyond this library; PIL says what it is
        return None
    if pixels.shape[:2] != (image.height, image.width):
        return None
    upright = UPRIGHT.get(orientation(image))
    return pixels if upright is None else np.ascontiguousarray(upright(pixels))


def reduced_jpeg(content: bytes, least_edge: int) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB of a JPEG file, upright, decoded at an eighth, a quarter or a half of its sides: the least
    whose shorter side has `least_edge` pixels. Not exactly the pixels of decoding all and resizing.

    Returns:
        None where another way should decode: the file is not that large, not 8-bit colour or grey in one scan (so not
        progressive), damaged, or cut off.

    Raises:
        OSError: a file that is no image.
    """
    with Image.open(io.BytesIO(content)) as image:  # refuses what would fill the memory
        plain = image.format == "JPEG" and image.mode in MODES
        after = _MARKER.search(content, image.fp.tell())  # Pillow has read up to the scan
        parts = [part for part in REDUCTIONS if min(image.size) >= part * least_edge]
    # OpenCV fills up what is damaged or cut off, in silence
    if not plain or not parts or after is None or after.group() != _END:
        return None
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), REDUCTIONS[parts[0]])
    return None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, pixels)


def _decode(content: bytes) -> np.ndarray:
    from torchvision.io import ImageReadMode, decode_jpeg  # announced to go one day: _agrees_with_pil meets that

    data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return decode_jpeg(data, ImageReadMode.RGB).permute(1, 2, 0).numpy()


@functools.cache
def _agrees_with_pil() -> bool:
    """Whether torchvision can decode JPEG here, and to PIL's pixels where decoders differ: halved, rough colours."""
    rough = np.random.default_rng(0).integers(0, 256, (35, 51, 3), dtype=np.uint8)
    for subsampling in ("4:2:0", "4:2:2"):
        file = io.BytesIO()
        Image.fromarray(rough).save(file, "JPEG", quality=75, subsampling=subsampling)
        try:
            ours = _decode(file.getvalue())
        except (ImportError, AttributeError, RuntimeError):  # gone, or built without libjpeg
            return False
        if not np.array_equal(ours, np.asarray(Image.open(file))):
            return False
    return True
