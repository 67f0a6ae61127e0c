import numpy as np
import pytest
from pycocotools import mask as coco_mask

from dense_det.data.idcards.camera import Pose, project, quad_area
from dense_det.data.idcards.light import lay_down
from dense_det.data.idcards.scene import LEAST_VISIBLE, make_scene
from dense_det.data.idcards.template import CLASSES

LONGER = 240


@pytest.fixture(scope="module")
def scenes(materials):
    return {split: [make_scene(0, split, k, materials[split], LONGER) for k in range(24)] for split in ("train", "val")}


def each(scenes):
    return [(scene, a) for made in scenes.values() for scene in made for a in scene.annotations]


def test_a_thing_laid_down_unturned_covers_exactly_its_pixels():
    scene = np.full((100, 160, 3), 90, np.float32)
    quad = project((60, 40), Pose(center=(50, 40)), (160, 100))
    image, alpha = np.full((40, 60, 3), 200, np.uint8), np.full((40, 60), 255, np.uint8)
    mask = lay_down(np.random.default_rng(0), scene, image, alpha, quad, glossy=False)
    wanted = np.zeros((100, 160), np.uint8)
    wanted[20:60, 20:80] = 1
    assert (mask == wanted).all()
    assert scene[mask == 1].min() > 90 >= scene[mask == 0].max()  # its shadow falls around it


def test_same_arguments_same_bytes_whatever_came_before(scenes, materials):
    again = make_scene(0, "train", 11, materials["train"], LONGER)
    first = scenes["train"][11]
    assert (again.image == first.image).all() and again.annotations == first.annotations
    assert again.record == first.record and again.jpeg_quality == first.jpeg_quality
    other = make_scene(1, "train", 11, materials["train"], LONGER)
    assert other.image.shape != first.image.shape or (other.image != first.image).any()


def test_boxes_masks_areas_and_quads_agree(scenes):
    assert len(each(scenes)) > 40
    for scene, annotation in each(scenes):
        height, width = scene.image.shape[:2]
        mask = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(annotation["segmentation"], height, width)))
        assert mask.sum() == pytest.approx(annotation["area"], rel=0.03, abs=25)
        x, y, w, h = annotation["bbox"]
        rows, columns = np.nonzero(mask)
        assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == pytest.approx(
            [x, y, x + w, y + h], abs=1
        )
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
        # the mask lies inside of the quad: each of its pixels is on the inner side of all four edges
        quad = np.array(annotation["quad"]).reshape(4, 2)
        centers = np.stack([columns, rows], 1) + 0.5
        for corner, following in zip(quad, np.roll(quad, -1, 0)):
            along = (following - corner) / np.linalg.norm(following - corner)
            inward = (centers - corner) @ np.array([-along[1], along[0]])
            assert inward.min() > -1.1


def test_what_is_annotated_can_be_seen(scenes):
    for _, annotation in each(scenes):
        quad = np.array(annotation["quad"]).reshape(4, 2)
        assert annotation["area"] / quad_area(quad) >= LEAST_VISIBLE
        assert annotation["visible"] == pytest.approx(min(1, annotation["area"] / quad_area(quad)), abs=1e-3)


def test_every_class_negatives_and_crowds_are_there(scenes):
    numbers = [len(scene.annotations) for made in scenes.values() for scene in made]
    assert {0, 1, 2} <= set(numbers) and max(numbers) <= 3
    assert {annotation["category_id"] for _, annotation in each(scenes)} == set(range(1, len(CLASSES) + 1))
    for made in scenes.values():
        assert all(scene.record["distractors"] for scene in made if not scene.annotations)


def test_no_background_template_or_face_of_val_is_in_train(scenes):
    for part in ("templates", "faces"):
        train, val = ({value for scene in scenes[split] for value in scene.record[part]} for split in ("train", "val"))
        assert train and val and train.isdisjoint(val)
    train, val = ({scene.record["background"] for scene in scenes[split]} for split in ("train", "val"))
    assert train.isdisjoint(val)


def test_unlabelled_pictures_are_of_trains_materials_but_others(scenes, materials):
    scene = make_scene(0, "unlabelled", 3, materials["train"], LONGER)
    assert all(name.startswith("train/") for name in scene.record["templates"])
    assert not any(np.array_equal(scene.image, other.image) for other in scenes["train"])
