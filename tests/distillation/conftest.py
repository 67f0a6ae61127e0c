"""Folders of images, good and bad."""

import json
import tarfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

GREY, ORIENTATION = 200, 0x112


def make_jpeg(seed: int, size=(60, 40), mode: str = "RGB", orientation: int | None = None) -> bytes:
    """Bytes of a small JPEG of `size` (width, height) that differs from every other seed's."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (4, 6, 3), np.uint8)).resize(size).convert(mode)
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    buffer = BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.fixture
def jpeg():
    return make_jpeg


@pytest.fixture
def photos(tmp_path):
    """A folder of five different JPEGs, b.jpg upright only after EXIF."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for seed, name in enumerate(("a.jpg", "c.JPG", "deep/d.jpeg", "deep/e.jpg")):
        (folder / name).write_bytes(make_jpeg(seed))
    (folder / "b.jpg").write_bytes(make_jpeg(9, orientation=6))
    (folder / "notes.md").write_text("no image")
    return folder


@pytest.fixture
def coco(tmp_path):
    """A function that writes images of the given seeds and a COCO file of one Table each: (json, folder)."""

    def write(name: str, *seeds: int):
        folder = tmp_path / f"{name}_images"
        folder.mkdir()
        images, annotations = [], []
        for number, seed in enumerate(seeds, 5):
            (folder / f"{seed}.jpg").write_bytes(make_jpeg(seed))
            images.append({"id": number, "file_name": f"{seed}.jpg", "width": 60, "height": 40})
            annotations.append(
                {"id": number, "image_id": number, "category_id": 3, "bbox": [1, 2, 30, 20], "area": 600}
            )
        categories = [{"id": 3, "name": "Table"}, {"id": 8, "name": "Text"}]
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
        return str(file), str(folder)

    return write


@pytest.fixture
def write_tar():
    """A function that writes a tar file of the given members: name -> bytes."""

    def write(path, members: dict[str, bytes], mode: str = "w") -> None:
        with tarfile.open(path, mode) as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, BytesIO(content))

    return write
