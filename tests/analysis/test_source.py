import io

import numpy as np
import pytest
from PIL import Image

from dense_det.analysis.sample_page import sample_jpeg
from dense_det.analysis.source import Source
from dense_det.data.mapper import read_image


def test_the_sample_is_a_page_larger_than_the_input():
    content = sample_jpeg((50, 100))
    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.size) == ("JPEG", (160, 80))
    # the same each time, light paper with dark lines
    assert content == sample_jpeg((50, 100))
    assert 120 < np.asarray(picture).mean() < 240 and np.asarray(picture).std() > 20


def test_a_picture_is_decoded_and_resized():
    source = Source(sample_jpeg((50, 100)), read_image, "BGR", (50, 100))
    picture = source.decode()
    assert picture.shape == (80, 160, 3)
    record = source.resize(picture)
    assert record["image"].shape == (3, 50, 100) and record["image"].is_contiguous()
    assert (record["height"], record["width"]) == (80, 160)
    # blue comes first
    rgb = Source(source.content, read_image, "RGB", (50, 100)).resize(picture[:, :, ::-1])["image"]
    assert (record["image"] == rgb.flip(0)).all()


def test_a_picture_that_has_no_width_left_is_named():
    source = Source(b"", read_image, "RGB", (50, 100), "receipt.jpg")
    assert source.resize(np.zeros((100, 1, 3), np.uint8))["image"].shape == (3, 100, 1)
    with pytest.raises(ValueError, match="receipt.jpg: 1 x 300 pixels are too long and narrow .* at most 100"):
        source.resize(np.zeros((300, 1, 3), np.uint8))


def test_a_file_that_is_no_picture_is_named(tmp_path, monkeypatch):
    file = tmp_path / "photo.jpg"

    def decode():
        return Source.of(file, read_image, "RGB", (50, 100)).decode()

    file.write_bytes(sample_jpeg((50, 100)))
    assert decode().shape == (80, 160, 3)
    file.write_bytes(sample_jpeg((50, 100))[:2000])
    with pytest.raises(ValueError, match="photo.jpg: not read as a picture .*truncated"):
        decode()
    file.write_text("a letter")
    with pytest.raises(ValueError, match="photo.jpg: not a picture that Pillow knows"):
        decode()
    file.write_bytes(sample_jpeg((50, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="photo.jpg: not read as a picture .DecompressionBomb"):
        decode()
