"""Folders of images, good and bad."""

import hashlib
import json
import tarfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from dense_det.distillation.input_writer import InputWriter
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.shard_file import ImagePredictions, ShardPredictions
from dense_det.distillation.work_folder import InputImage, Plan, WorkFolder

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


CLASSES = ["Table", "Text"]
MANIFEST = Manifest(
    CLASSES, [{"kind": "test", "name": "model_of_a_long_name.pth"}], [{"short_edge": 64, "flip": False}], {}, 0.05, 100
)


def make_predictions(image_id, *rows):
    """Boxes of (score, class, votes), each 10 pixels further to the right."""
    boxes = [[10 * k, 5, 10 * k + 8, 15] for k in range(len(rows))]
    scores, classes, votes = (np.array(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    floats = (np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))
    return ImagePredictions(
        image_id, *floats, np.array(classes, np.int32), np.array(votes, np.float32), np.full(len(rows), 0.1, np.float32)
    )


def make_labelled_work(root, member=None):
    """Three images of 60 x 40 in two shards: Table .9 and .6, Text .5; Text .8 and .3; nothing."""
    work = WorkFolder(root / "work")
    writer = InputWriter(work.images, 2)
    for number in (1, 2, 3):
        path = root / f"{number}.jpg"
        path.write_bytes(content := make_jpeg(number))
        writer.add(InputImage(number, str(path), member, None, hashlib.sha256(content).hexdigest(), 60, 40))
    writer.close()
    found = [
        make_predictions(1, (0.9, 0, 1), (0.6, 0, 0.5), (0.5, 1, 1)),
        make_predictions(2, (0.8, 1, 1), (0.3, 1, 1)),
    ]
    for shard, images in enumerate((found, [make_predictions(3)])):
        ShardPredictions.join(images).save(work.images.predictions(shard))
        work.images.failures(shard).parent.mkdir(parents=True, exist_ok=True)
        work.images.failures(shard).write_text("")
    labelled = {"json_file": "", "images": 3, "instances": 3, "per_class": {"Table": 1, "Text": 2}}
    work.write_plan(Plan(2, 3, 2, [], {}, "", labelled))
    work.settle_manifest(MANIFEST)
    return work


@pytest.fixture
def predictions():
    return make_predictions


@pytest.fixture
def labelled_work(tmp_path):
    """A function that makes the finished work folder tmp_path/work."""
    return lambda member=None: make_labelled_work(tmp_path, member)
