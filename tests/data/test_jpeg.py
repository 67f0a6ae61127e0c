"""JPEG files decoded by torchvision have PIL's pixels, and whatever is not plain is left to PIL."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, ImageOps

from dense_det.data import jpeg
from dense_det.data.jpeg import decoded_jpeg, reduced_jpeg
from dense_det.data.mapper import read_image


def photo(height: int, width: int, mode: str = "RGB") -> Image.Image:
    rough = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(rough).convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def by_pil(file) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def fast(file) -> np.ndarray | None:
    with Image.open(file) as image:
        return decoded_jpeg(image)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_pixels_are_pils(mode, subsampling, progressive):
    options = {"subsampling": subsampling, "progressive": progressive}
    for height, width in ((1, 1), (7, 5), (17, 33), (64, 48), (203, 31)):
        for quality in (5, 90, 100):
            file = encoded(photo(height, width, mode), quality=quality, restart_marker_blocks=width % 3, **options)
            np.testing.assert_array_equal(fast(file), by_pil(file))


def test_stored_rgb_and_the_first_of_several_pictures():
    for file in (encoded(photo(20, 30), keep_rgb=True),
                 encoded(photo(20, 30), "MPO", save_all=True, append_images=[photo(20, 31)])):  # fmt: skip
        np.testing.assert_array_equal(fast(file), by_pil(file))


@pytest.mark.parametrize("orientation", range(10))  # 0 and 9 mean nothing
def test_every_orientation(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = encoded(photo(20, 30), exif=exif)
    pixels = fast(file)
    np.testing.assert_array_equal(pixels, by_pil(file))
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(read_image(file, "BGR"), pixels[:, :, ::-1])


def test_other_kinds_are_left_to_pil(monkeypatch):
    others = [encoded(photo(20, 30), "PNG"), encoded(photo(20, 30, "CMYK")), encoded(photo(20, 30), "WEBP")]
    assert [fast(file) for file in others] == [None, None, None]
    monkeypatch.setattr(jpeg, "_agrees_with_pil", lambda: False)
    plain = encoded(photo(20, 30))
    assert fast(plain) is None
    np.testing.assert_array_equal(read_image(plain, "RGB"), by_pil(plain))


def test_a_decoder_that_differs_is_not_used(monkeypatch):
    assert jpeg._agrees_with_pil()
    for decode in (lambda content: np.zeros((35, 51, 3), np.uint8), _is_missing):
        monkeypatch.setattr(jpeg, "_decode", decode)
        assert not jpeg._agrees_with_pil.__wrapped__()


def _is_missing(content):
    raise AttributeError("decode_jpeg: built without libjpeg")


def test_damaged_files_end_as_they_did():
    """Cut, changed, overwritten and prolonged at random places: the same pixels, or the same refusal."""
    random = np.random.default_rng(0)
    whole = encoded(photo(60, 80), quality=80).getvalue()
    for case in range(80):
        content, place = bytearray(whole), int(random.integers(2, len(whole)))
        if case % 4 == 0:
            del content[place:]
        elif case % 4 == 1:
            content[place] ^= int(random.integers(1, 256))
        elif case % 4 == 2:
            content[place : place + 20] = bytes(len(content[place : place + 20]))
        else:
            content += random.bytes(30)
        assert _outcome(content) == _outcome(content, by_pil_alone=True), case


def test_cut_files_that_pil_is_told_to_read(monkeypatch):
    whole = encoded(photo(60, 80), quality=80).getvalue()
    cut = io.BytesIO(whole[: len(whole) // 2])
    with pytest.raises(OSError, match="truncated"):
        read_image(cut)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    np.testing.assert_array_equal(read_image(cut, "RGB"), by_pil(cut))


def _outcome(content, by_pil_alone=False):
    """The pixels that read_image gives, or the error."""
    with pytest.MonkeyPatch.context() as patch:
        if by_pil_alone:
            patch.setattr(jpeg, "_agrees_with_pil", lambda: False)
        try:
            return read_image(io.BytesIO(content), "RGB").tobytes()
        except (OSError, SyntaxError, ValueError) as error:
            return type(error)


def smooth(height: int, width: int) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([rows % 256, columns % 256, (rows + columns) // 4 % 256], -1).astype(np.uint8))


@pytest.mark.parametrize(("edge", "part"), [(120, 2), (61, 2), (60, 4), (30, 8), (1, 8)])
def test_large_files_are_decoded_smaller(edge, part):
    picture = smooth(240, 248)
    pixels = reduced_jpeg(encoded(picture, quality=95, subsampling="4:4:4").getvalue(), edge)
    assert pixels.shape == (240 // part, 248 // part, 3)
    means = np.asarray(picture, float).reshape(240 // part, part, 248 // part, part, 3).mean((1, 3))
    assert np.abs(pixels - means).mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_smaller_and_upright(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = encoded(smooth(160, 240), exif=exif, quality=95)
    whole = np.asarray(Image.fromarray(by_pil(file)).reduce(2), float)
    assert np.abs(reduced_jpeg(file.getvalue(), 80) - whole).mean() < 2


def test_what_is_not_decoded_smaller():
    file = encoded(smooth(160, 240)).getvalue()
    assert reduced_jpeg(file, 81) is None, "half of the file is less than asked for"
    assert reduced_jpeg(file[:-400], 80) is None, "OpenCV would paint the rest grey"
    assert reduced_jpeg(encoded(smooth(160, 240), "PNG").getvalue(), 80) is None
    assert reduced_jpeg(encoded(smooth(160, 240).convert("CMYK")).getvalue(), 80) is None
    assert reduced_jpeg(encoded(smooth(160, 240).convert("L")).getvalue(), 80).shape == (80, 120, 3)
    with pytest.raises(OSError, match="cannot identify"):
        reduced_jpeg(b"hello", 80)
