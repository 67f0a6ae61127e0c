import cv2
import numpy as np
import pytest

from dense_det.data.idcards.camera import SUPERSAMPLED, document_mask
from dense_det.data.idcards.design import CLASSES, make_design
from dense_det.data.idcards.documents import draw_document
from dense_det.data.idcards.photos import PhotoShelf, find_photos
from dense_det.data.idcards.scene import LEAST_VISIBLE, Document, Scene, annotation, make_scene


@pytest.fixture(scope="module")
def shelves():
    photos, problems = find_photos()
    assert not problems
    return {split: PhotoShelf(photos, split) for split in ("train", "val")}


@pytest.fixture(scope="module")
def scenes(shelves) -> list[Scene]:
    return [make_scene(1, "train", index, shelves["train"], 320, []) for index in range(14)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_kind_is_drawn_at_its_size(kind):
    design = make_design(kind, "train", 0)
    image = draw_document(np.random.default_rng(0), design)
    assert image.shape == (design.size[1], design.size[0], 3) and image.dtype == np.uint8 and image.std() > 10
    assert np.array_equal(image, draw_document(np.random.default_rng(0), design))
    assert not np.array_equal(image, draw_document(np.random.default_rng(1), design))


def test_an_annotation_by_hand():
    quad = np.array([[10, 20], [50, 20], [50, 45], [10, 45]], dtype=float)
    mask = document_mask((40, 25), 0, quad, (80, 60))
    mask[:, : 30 * SUPERSAMPLED] = 0  # something lies on its left half
    entry = annotation(Document(make_design("badge", "train", 1), quad, mask, 1000.0))
    assert entry["category_id"] == 1 + CLASSES.index("badge")
    assert entry["bbox"] == pytest.approx([30, 20, 20, 25], abs=0.5)  # of what is seen
    assert entry["quad"] == [10, 20, 50, 20, 50, 45, 10, 45]  # of the whole
    assert entry["area"] == pytest.approx(500, rel=0.04) and entry["visible"] == pytest.approx(0.5, abs=0.03)


def test_the_same_seed_is_the_same_picture_and_another_is_not(shelves, scenes):
    again = make_scene(1, "train", 4, shelves["train"], 320, [])
    assert np.array_equal(again.image, scenes[4].image) and again.annotations() == scenes[4].annotations()
    assert not np.array_equal(make_scene(4, "train", 4, shelves["train"], 320, []).image, scenes[4].image)


def test_what_every_picture_must_hold(scenes):
    numbers = [len(scene.documents) for scene in scenes]
    assert 0 in numbers and max(numbers) >= 2
    for scene in scenes:
        height, width = scene.image.shape[:2]
        assert scene.image.dtype == np.uint8 and max(height, width) == 320
        for document, entry in zip(scene.documents, scene.annotations(), strict=True):
            assert LEAST_VISIBLE <= document.visible <= 1.05
            x, y, w, h = entry["bbox"]
            assert -0.5 <= x and -0.5 <= y and x + w <= width + 0.5 and y + h <= height + 0.5
            points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in entry["segmentation"]])
            assert np.allclose([*points.min(0), *np.ptp(points, axis=0)], entry["bbox"], atol=0.02)
            # the mask lies in the quad, but for the pixels on its outline
            quad = document.quad.astype(np.float32)
            assert min(cv2.pointPolygonTest(quad, tuple(map(float, point)), True) for point in points) > -1.5


def test_masks_of_a_picture_do_not_overlap(scenes):
    for scene in scenes:
        if scene.documents:
            assert sum(document.mask.astype(int) for document in scene.documents).max() <= 1


def test_validation_has_its_own_photographs_and_templates(shelves):
    train, val = ({photo.name for photo in shelves[split].photos} for split in ("train", "val"))
    assert train and val and not train & val
    scene = make_scene(1, "val", 1, shelves["val"], 320, [])
    assert scene.background in val and all("-val-" in entry["template"] for entry in scene.annotations())


def test_real_pages_are_laid_where_there_are_some(shelves):
    white = np.full((764, 540, 3), 255, np.uint8)
    with_page = [make_scene(1, "train", index, shelves["train"], 320, [white]) for index in range(12)]
    assert any(d.design.kind == "page" for scene in with_page for d in scene.documents)


def test_photographs_of_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(24):
        cv2.imwrite(str(tmp_path / f"{k}.png"), rng.integers(0, 255, (220, 240, 3), dtype=np.uint8))
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((10, 10, 3), np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    photos, problems = find_photos(tmp_path)
    own = [photo for photo in photos if not photo.name.startswith("skimage/")]
    assert len(own) == 24 and {photo.split for photo in own} == {"train", "val"}
    assert len(problems) == 2 and "broken.jpg" in problems[0] and "1 pictures" in problems[1]
    # a copy under another name is in the same split
    (tmp_path / "copy.png").write_bytes((tmp_path / "0.png").read_bytes())
    splits = {photo.name: photo.split for photo in find_photos(tmp_path)[0]}
    assert splits["copy.png"] == splits["0.png"]
