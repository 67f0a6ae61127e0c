"""Planned images as pixels: from files, tar members and PDF pages, and only if their bytes are those of the plan."""

import errno
import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterator

import numpy as np

from dense_det.data.jpeg import REDUCTIONS, reduced_jpeg
from dense_det.data.mapper import read_image
from dense_det.data.pdf.document import open_pdf, render_page, sha256_of
from dense_det.distillation.tar_file import TAR_ERRORS, members_of, open_tar
from dense_det.distillation.work_folder import InputImage, page_digest

# a network disk that is lost or slow, too many open files, no memory
_PASSING = (
    errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET, errno.EHOSTDOWN, errno.EMFILE, errno.ENFILE,
    errno.ENOMEM, errno.ENOBUFS,
)  # fmt: skip


class BadImage(ValueError):
    """A planned image that gives no pixels; the message says why."""


class PassingFault(BadImage):
    """The machine is at fault, and not the image: it may be well in an hour, or elsewhere."""


class ImageReader:
    """Reads one image after the other; keeps the last tar file or PDF open, since shards are read in their order.

    A tar file is only walked forwards, and from its beginning again where a member lies behind.

    Args:
        least_edge: JPEG files may come smaller than they are, down to a shorter edge of so many pixels; see
            reduced_jpeg. 0: all images come in their own size.
    """

    def __init__(self, least_edge: int = 0):
        self._least_edge = least_edge
        self._open_name, self._archive, self._members, self._document, self._digest = "", None, None, None, ""

    def read(self, image: InputImage) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright, as training reads it, or smaller.

        Raises:
            BadImage: missing, changed since it was planned, or not decodable; PassingFault where the machine is at
                fault.
            MemoryError: no memory.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd EXIF and large images
                pixels = self._page(image) if image.page is not None else self._picture(image)
        except (BadImage, MemoryError):
            raise
        except FileNotFoundError as error:
            raise BadImage("no such file") from error
        except Exception as error:  # decoders of broken files raise anything
            kind = PassingFault if _is_passing(error) else BadImage
            raise kind(_reason(error)) from error
        if not self._is_planned(pixels, image):
            raise BadImage(f"{pixels.shape[1]}x{pixels.shape[0]} pixels, planned {image.width}x{image.height}")
        return pixels

    def close(self) -> None:
        for file in (self._archive, self._document):
            if file is not None:
                file.close()
        self.__init__(self._least_edge)

    def _picture(self, image: InputImage) -> np.ndarray:
        content = self._member(image) if image.member is not None else _bytes_of(image)
        reduced = reduced_jpeg(content, self._least_edge) if self._least_edge else None
        return read_image(io.BytesIO(content), "RGB") if reduced is None else reduced

    def _is_planned(self, pixels: np.ndarray, image: InputImage) -> bool:
        parts = (1, *REDUCTIONS) if self._least_edge else (1,)
        return pixels.shape[:2] in {(-(-image.height // part), -(-image.width // part)) for part in parts}

    def _member(self, image: InputImage) -> bytes:
        seen = False
        for attempt in range(2):
            if attempt or self._archive is None or self._open_name != image.file_name:
                self.close()
                self._archive, self._open_name = open_tar(image.file_name), image.file_name
                self._members = members_of(self._archive)
            try:
                for content in self._contents(image.member):
                    if hashlib.sha256(content).hexdigest() == image.sha256:
                        return content
                    seen = True  # a tar file may hold a name twice
            except TAR_ERRORS:  # the member may lie before the damage: from the beginning again
                if attempt and not seen:
                    raise
        raise BadImage("changed since it was planned" if seen else "no such member in the tar file")

    def _contents(self, name: str) -> Iterator[bytes]:
        """Of the members of that name, from where the last one was found."""
        for member in self._members:
            if member.name == name and member.isreg():
                yield self._archive.extractfile(member).read()

    def _page(self, image: InputImage) -> np.ndarray:
        if self._document is None or self._open_name != image.file_name:
            self.close()
            self._document, self._open_name = open_pdf(image.file_name), image.file_name
            self._digest = sha256_of(image.file_name)
        if page_digest(self._digest, image.page) != image.sha256:
            raise BadImage("changed since it was planned")
        return render_page(self._document, image.page + 1, (image.width, image.height))[:, :, ::-1]


def _is_passing(error: Exception) -> bool:
    return isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno in _PASSING)


def _reason(error: Exception) -> str:
    """Without the file's name and addresses in memory, so that like failures count together, in every run."""
    text = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: " + re.sub(r" <_?io\.\w+ object at 0x[0-9a-f]+>", "", text)


def _bytes_of(image: InputImage) -> bytes:
    if os.stat(image.file_name).st_size == 0:
        raise BadImage("0 bytes")
    with open(image.file_name, "rb") as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != image.sha256:
        raise BadImage("changed since it was planned")
    return content
