"""Image files as training's `mapper.read_image` would find them: readable or not, how large, and which content.

Decoding every page in full costs 10 ms a megapixel. By default a JPEG that ends with its end marker and a PNG whose
chunks all carry the right checksum are taken as whole, at 0.3 to 0.6 ms each, hashing included; every other file, and
any that fails these tests, is decoded, and the decoder has the last word. That finds every file cut short; what it can
miss is a JPEG with bytes overwritten in its middle, which only `decode=True`, decoding all, is sure to find.
"""

import hashlib
import io
import stat
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from dense_det.data.orientation import orientation

_TURNED = (5, 6, 7, 8)  # orientations that swap width and height
_PNG_METADATA = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")  # where a PNG may say its orientation
_WHOLE_FILE_BYTES = 64 << 20  # larger files are never held in memory as bytes
# Pillow would cut them off at 0 and 255, most of them to black
FLOAT_MODE, FLOATS = "F", "32-bit floats, which do not say what is white: save it with 8 or 16 bits"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What one file is: its size in pixels and SHA-256 when it is readable, else a kind of finding and a reason."""

    width: int = 0
    height: int = 0
    digest: bytes = b""
    problem: str = ""
    reason: str = ""
    turned: bool = False


def read_image_files(paths: Iterable[str], workers: int = 2, decode: bool = False) -> dict[str, ImageFile]:
    """Look at every distinct file of `paths` with `workers` threads (Pillow and hashing run outside Python's lock).

    Raises:
        ValueError: fewer than one worker.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    paths = list(dict.fromkeys(paths))
    files = {}
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # of odd EXIF and large images, which are read all the same
        for start in range(0, len(paths), 4096):
            chunk = paths[start : start + 4096]
            files.update(zip(chunk, pool.map(lambda path: read_image_file(path, decode), chunk), strict=True))
    return files


def read_image_file(path: str, decode: bool = False) -> ImageFile:
    """Look at one file; never raises for what the file is or holds."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return ImageFile(problem="image-unreadable", reason="not a file")
        with open(path, "rb") as file:
            return read_image_stream(file, decode)
    except FileNotFoundError:
        return ImageFile(problem="image-missing", reason="no such file")
    except NotADirectoryError:
        return ImageFile(problem="image-missing", reason="a part of its path is not a folder")
    except Exception as error:  # no permission, a name with a null byte, ...
        return ImageFile(problem="image-unreadable", reason=f"{type(error).__name__}: {error}")


def read_image_stream(file, decode: bool = False) -> ImageFile:
    """Look at an open binary file, from its beginning; never raises for what it holds."""
    try:
        return _read(file, decode)
    except UnidentifiedImageError:
        return ImageFile(problem="image-unreadable", reason="not an image that Pillow knows")
    except Image.DecompressionBombError as error:
        return ImageFile(problem="image-too-large", reason=str(error))
    except Exception as error:  # decoders of broken files raise anything, SyntaxError and struct.error too
        return ImageFile(problem="image-unreadable", reason=f"{type(error).__name__}: {error}")


def _read(file, decode: bool) -> ImageFile:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size == 0:
        return ImageFile(problem="image-unreadable", reason="0 bytes")
    if size > _WHOLE_FILE_BYTES:
        digest = hashlib.file_digest(file, "sha256").digest()
        file.seek(0)
        return _measure(Image.open(file), digest, load=True)
    content = file.read()
    digest = hashlib.sha256(content).digest()
    image = Image.open(io.BytesIO(content))
    return _measure(image, digest, load=decode or not _is_whole(image.format, content))


def _is_whole(image_format: str, content: bytes) -> bool:
    """Whether `content` is surely a complete file, without decoding it."""
    if image_format == "JPEG":
        return content.endswith(b"\xff\xd9")
    if image_format == "PNG" and not any(mark in content for mark in _PNG_METADATA):
        try:
            Image.open(io.BytesIO(content)).verify()
            return True
        except Exception:  # let the decoder say whether it minds
            return False
    return False


def _measure(image: Image.Image, digest: bytes, load: bool) -> ImageFile:
    """Size after EXIF rotation; a whole PNG is known to have no EXIF, and asking would decode it."""
    if image.mode == FLOAT_MODE:
        return ImageFile(problem="image-unreadable", reason=FLOATS)
    turned = (load or image.format != "PNG") and orientation(image) in _TURNED
    if load:
        ImageOps.exif_transpose(image, in_place=True)  # not by `turned`: Pillow turns a TIFF itself
        image.convert("RGB")  # some modes open and load, but do not convert
    width, height = image.size[::-1] if turned and not load else image.size
    return ImageFile(width, height, digest, turned=turned)
