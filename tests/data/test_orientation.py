import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from dense_det.data.check_images import read_image_file
from dense_det.data.mapper import read_image
from dense_det.data.orientation import orientation

DAMAGED = (b"Exif\0\0\x01\x02\x03\x04garbage!", b"Exif\0\0II*\0", b"Exif\0\0" + bytes(8))


@pytest.fixture
def pixels():
    return np.random.RandomState(0).randint(0, 256, (30, 40, 3), dtype=np.uint8)


def opened(pixels, exif, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, exif=exif)
    return Image.open(file)


@pytest.mark.parametrize("number", range(1, 9))
def test_the_number_that_is_written(pixels, number):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    assert orientation(opened(pixels, exif)) == number
    assert orientation(Image.fromarray(pixels)) == 1


@pytest.mark.parametrize("kind", ["PNG", "WebP"])
@pytest.mark.parametrize("exif", DAMAGED)
def test_pixels_are_sound_whatever_stands_beside_them(pixels, tmp_path, exif, kind):
    """Pillow raises of such data, once."""
    with pytest.raises(Exception):  # noqa: B017  struct.error, SyntaxError
        opened(pixels, exif, kind).getexif()
    assert orientation(opened(pixels, exif, kind)) == 1
    file = tmp_path / f"a.{kind.lower()}"
    Image.fromarray(pixels).save(file, exif=exif, lossless=True)
    assert np.array_equal(read_image(file, "RGB"), pixels)
    found = read_image_file(str(file))
    assert (found.width, found.height, found.problem, found.turned) == (40, 30, "", False)
