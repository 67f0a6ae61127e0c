"""What counts as a readable image agrees with what training reads, however a file is damaged."""

import io

import numpy as np
import pytest
from PIL import Image

from dense_det.data.check_images import read_image_file
from dense_det.data.mapper import read_image

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def encoded(image_format: str, mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, image_format, **options)
    return buffer.getvalue()


FILES = {
    "jpeg": encoded("JPEG"),
    "progressive": encoded("JPEG", progressive=True),
    "gray": encoded("JPEG", "L"),
    "cmyk": encoded("JPEG", "CMYK"),
    "png": encoded("PNG"),
    "palette": encoded("PNG", "P"),
    "gif": encoded("GIF", "P"),
    "tiff": encoded("TIFF"),
    "bmp": encoded("BMP"),
}
OPTIONS = {"TIFF-LZW": {"compression": "tiff_lzw"}}


def agree(path, ways=(False, True)) -> bool:
    """Whether both read the file, with one size, or neither, the fast way (decode=False) and the full one (True)."""
    try:
        height, width = read_image(str(path), "BGR").shape[:2]
        expected = (width, height)
    except Exception:
        expected = None
    found = [read_image_file(str(path), decode) for decode in ways]
    return all((None if f.problem else (f.width, f.height)) == expected for f in found)


@pytest.mark.parametrize("name", FILES)
def test_whole_and_cut_files(tmp_path, name):
    content = FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    whole = read_image_file(str(path))
    assert (whole.width, whole.height, whole.problem) == (60, 40, "")
    for length in [*range(0, len(content), max(1, len(content) // 25)), len(content) - 1, len(content) - 5]:
        path.write_bytes(content[:length])
        assert agree(path), f"{name} cut to {length} of {len(content)} bytes"


@pytest.mark.parametrize("name", FILES)
def test_bytes_overwritten(tmp_path, name):
    content = bytearray(FILES[name])
    random = np.random.default_rng(1)
    path = tmp_path / name
    for _ in range(15):
        damaged = content.copy()
        start = random.integers(0, len(content) - 40)
        damaged[start : start + 30] = random.bytes(30)
        path.write_bytes(damaged)
        assert agree(path, ways=(True,) if FILES[name][:2] == b"\xff\xd8" else (False, True))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "TIFF-LZW"])
def test_exif_orientation(tmp_path, image_format, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / "turned"
    path.write_bytes(encoded(image_format.partition("-")[0], exif=exif, **OPTIONS.get(image_format, {})))
    assert agree(path)
    found = read_image_file(str(path))
    assert (found.width, found.height) == ((40, 60) if orientation >= 5 else (60, 40))
    assert found.turned == (orientation >= 5)


def test_broken_exif(tmp_path):
    path = tmp_path / "broken"
    path.write_bytes(encoded("PNG", exif=b"Exif\0\0nonsense"))
    assert agree(path) and not read_image_file(str(path)).reason  # Pillow says "not a TIFF file", but has the pixels


def test_same_content_same_digest(tmp_path):
    for name, content in (("a", FILES["png"]), ("b", FILES["png"]), ("c", FILES["bmp"])):
        (tmp_path / name).write_bytes(content)
    a, b, c = (read_image_file(str(tmp_path / name)).digest for name in "abc")
    assert a == b != c
