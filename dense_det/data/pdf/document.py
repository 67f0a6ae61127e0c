"""One PDF file: opened safely, its pages understood, its pages rendered."""

import hashlib
import logging
from pathlib import Path

import cv2
import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.data.pdf.page import Page, understand_page

logger = logging.getLogger(__name__)

_MOST_BYTES = 300 * 2**20
_MOST_PAGES = 1000
# a scanned page has no text of its own: nothing tells where its parts are
_LEAST_CHARS = 40
_JPEG_QUALITY = 90


class Unreadable(ValueError):
    """A PDF that gives no pages with boxes; the message says why."""


def open_pdf(path):
    """A pypdfium2 document.

    Raises:
        ImportError: pypdfium2 is not installed.
        Unreadable: damaged, encrypted, empty or huge.
    """
    try:
        import pypdfium2
    except ImportError as error:
        raise ImportError("reading PDFs needs pypdfium2: pip install 'dense_det[pdf]'") from error
    size = Path(path).stat().st_size
    if size > _MOST_BYTES:
        raise Unreadable(f"{size / 2**20:.0f} MiB; at most {_MOST_BYTES // 2**20} MiB are read")
    try:
        document = pypdfium2.PdfDocument(str(path))
    except pypdfium2.PdfiumError as error:
        reason = "encrypted: it asks for a password" if "assword" in str(error) else f"damaged: {error}"
        raise Unreadable(reason) from error
    if not 0 < len(document) <= _MOST_PAGES:
        raise Unreadable(f"{len(document)} pages; 1 to {_MOST_PAGES} are read")
    return document


def sha256_of(path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def understand_document(path, pages: list[int] | None = None) -> dict[int, Page]:
    """Page number (from 1) -> Page, of all pages, or of those in `pages` that the document has.

    Raises:
        Unreadable: see `open_pdf`; or no page has text of its own (a scan).
    """
    document = open_pdf(path)
    import pypdfium2  # open_pdf says what to do when it is missing

    try:
        understood = {}
        for number in range(1, len(document) + 1) if pages is None else pages:
            if not 1 <= number <= len(document):
                continue
            try:
                page = document[number - 1]
            except pypdfium2.PdfiumError:
                logger.warning("%s: page %d is damaged and left out", path, number)
                continue
            if page.get_rotation() == 0:
                understood[number] = understand_page(page, is_first_page=number == 1)
            page.close()
    finally:
        document.close()
    if not any(page.num_chars >= _LEAST_CHARS for page in understood.values()):
        raise Unreadable("no page with text of its own: a scan, or all pages are rotated")
    return understood


def render_pages(path, files: dict[int, Path], sizes: dict[int, tuple[int, int]]) -> None:
    """Write pages by number as JPEG `files`, `sizes` (width, height) in pixels; existing files are kept."""
    wanted = [number for number, file in files.items() if not file.is_file()]
    if not wanted:
        return
    document = open_pdf(path)
    try:
        for number in wanted:
            image = render_page(document, number, sizes[number])
            encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            assert encoded, f"page {number} of {path} did not encode as JPEG"
            with atomic_file(files[number], "wb") as file:
                file.write(data.tobytes())
    finally:
        document.close()


def render_page(document, number: int, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) uint8 BGR picture of page `number` (from 1), `size` (width, height) in pixels."""
    page = document[number - 1]
    width, height = size
    scale = max(width / page.get_width(), height / page.get_height())
    image = page.render(scale=scale).to_numpy()[:height, :width, :3]
    page.close()
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return image
