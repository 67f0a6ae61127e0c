"""Planned images come back as the same pixels that training reads; changed ones do not."""

import errno
import hashlib
import tarfile
from dataclasses import replace

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from dense_det.data.mapper import read_image
from dense_det.distillation import image_reader
from dense_det.distillation.image_reader import BadImage, ImageReader, PassingFault
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.work_folder import InputImage, WorkFolder

ORIENTATION = 0x112


def planned(tmp_path, *sources):
    work = WorkFolder(tmp_path / "work")
    make_plan(work, PlanSettings(tuple(map(str, sources))))
    return list(work.images.read_inputs(0))


def test_files_as_training_reads_them(tmp_path, photos):
    for image in planned(tmp_path, photos):
        pixels = ImageReader().read(image)
        assert (pixels == read_image(image.file_name, "RGB")).all()
        assert pixels.shape == (image.height, image.width, 3)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_tiff_that_exif_turns(tmp_path, compression):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.tif", exif=exif, compression=compression)
    (image,) = planned(tmp_path, tmp_path / "a.tif")
    assert (image.width, image.height) == (40, 60)
    assert ImageReader().read(image).shape == (60, 40, 3)


def test_tar_members_in_any_order(tmp_path, write_tar, jpeg):
    write_tar(tmp_path / "a.tar", {f"{n}.jpg": jpeg(n) for n in range(5)})
    write_tar(tmp_path / "b.tar", {f"{n}.jpg": jpeg(n + 50) for n in range(2)})
    images = planned(tmp_path, tmp_path / "a.tar", tmp_path / "b.tar")
    reader = ImageReader()
    first = [reader.read(image) for image in images]
    for index in (4, 0, 5, 2, 6, 3):
        assert (reader.read(images[index]) == first[index]).all()
    with pytest.raises(BadImage, match="no such member"):
        reader.read(replace(images[0], member="z.jpg"))
    with pytest.raises(BadImage, match="changed"):
        reader.read(replace(images[0], sha256="00"))
    reader.close()


def test_pdf_pages(tmp_path):
    document = pypdfium2.PdfDocument.new()
    document.new_page(144, 72)
    document.save(str(tmp_path / "a.pdf"))
    (image,) = planned(tmp_path, tmp_path / "a.pdf")
    pixels = ImageReader().read(image)
    assert pixels.shape == (150, 300, 3) and (pixels == 255).all()
    with open(tmp_path / "a.pdf", "ab") as file:
        file.write(b"%")
    with pytest.raises(BadImage, match="changed"):
        ImageReader().read(image)


def test_large_jpeg_files_come_smaller(tmp_path, jpeg):
    (tmp_path / "a.jpg").write_bytes(jpeg(1, (401, 300)))
    (image,) = planned(tmp_path, tmp_path / "a.jpg")
    sizes = {edge: ImageReader(edge).read(image).shape[:2] for edge in (0, 151, 150, 60)}
    assert sizes == {0: (300, 401), 151: (300, 401), 150: (150, 201), 60: (75, 101)}
    reader = ImageReader(60)
    reader.close()
    assert reader.read(image).shape == (75, 101, 3), "closing forgets files, not what was asked for"
    with pytest.raises(BadImage, match="101x75 pixels, planned 600x300"):
        reader.read(replace(image, width=600))


def test_reasons(tmp_path, jpeg):
    def image(content, name="a.jpg"):
        (tmp_path / name).write_bytes(content)
        return InputImage(1, str(tmp_path / name), None, None, hashlib.sha256(content).hexdigest(), 60, 40)

    good = image(jpeg(1))
    assert ImageReader().read(good).dtype == np.uint8
    with pytest.raises(BadImage, match="60x40 pixels, planned 60x41"):
        ImageReader().read(replace(good, height=41))
    image(jpeg(2))
    with pytest.raises(BadImage, match="changed since it was planned"):
        ImageReader().read(good)
    image(b"")
    with pytest.raises(BadImage, match="0 bytes"):
        ImageReader().read(good)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(BadImage, match="no such file"):
        ImageReader().read(good)
    with pytest.raises(BadImage, match="^UnidentifiedImageError: cannot identify image file$"):  # no address in memory
        ImageReader().read(image(b"hello"))
    with pytest.raises(BadImage, match="truncated"):
        ImageReader().read(image(jpeg(3, (600, 400))[:2000]))


@pytest.mark.parametrize(
    "error", [ImportError("reading PDFs needs pypdfium2"), OSError(errno.ESTALE, "Stale file handle")]
)
def test_what_is_of_the_machine_is_told_apart(tmp_path, jpeg, monkeypatch, error):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    image = InputImage(1, str(tmp_path / "a.jpg"), None, None, hashlib.sha256(jpeg(1)).hexdigest(), 60, 40)

    def fail(*_words):
        raise error

    monkeypatch.setattr(image_reader, "read_image", fail)
    with pytest.raises(PassingFault, match=f"{type(error).__name__}: "):
        ImageReader().read(image)
    error = OSError(errno.EIO, "Input/output error")  # a bad sector stays one
    with pytest.raises(BadImage, match="OSError: Input/output error") as raised:
        ImageReader().read(image)
    assert not isinstance(raised.value, PassingFault)


def test_members_of_tars_that_cat_joined(tmp_path, write_tar, jpeg):
    for seed in (1, 2):
        write_tar(tmp_path / f"{seed}.tar", {f"{seed}.jpg": jpeg(seed)})
    (tmp_path / "both.tar").write_bytes(b"".join((tmp_path / f"{seed}.tar").read_bytes() for seed in (1, 2)))
    images, reader = planned(tmp_path, tmp_path / "both.tar"), ImageReader()
    assert [image.member for image in images] == ["1.jpg", "2.jpg"]
    assert [reader.read(image).shape for image in images[::-1]] == [(40, 60, 3)] * 2


def test_members_before_the_damage_of_a_tar_in_any_order(tmp_path, write_tar, jpeg):
    path = tmp_path / "a.tar"
    write_tar(path, {f"{n}.jpg": jpeg(n) for n in range(5)})
    with tarfile.open(path) as archive:
        start = archive.getmember("3.jpg").offset
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(b"X")
    images = planned(tmp_path, path)
    assert [image.member for image in images] == ["0.jpg", "1.jpg", "2.jpg"]
    reader = ImageReader()
    with pytest.raises(BadImage, match=f"ReadError: damaged header at byte {start}"):
        reader.read(replace(images[0], member="4.jpg"))
    for image in (images[2], images[0], images[1], images[0]):
        assert reader.read(image).shape == (40, 60, 3)
