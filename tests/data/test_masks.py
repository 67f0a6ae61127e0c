import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, Boxes, BoxMode, PolygonMasks
from PIL import Image

from dense_det.config import get_cfg
from dense_det.data.augmentation import CanvasTransform, ResizeOntoCanvas
from dense_det.data.mapper import build_mapper
from dense_det.data.masks import tighten_boxes, transformed_masks

HEIGHT, WIDTH = 60, 80
SQUARE = [10.0, 20.0, 30.0, 20.0, 30.0, 40.0, 10.0, 40.0]
TILTED = [40.0, 5.0, 70.0, 25.0, 50.0, 50.0, 20.0, 30.0]


def bitmap(polygon) -> np.ndarray:
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([polygon], HEIGHT, WIDTH))).astype(bool)


def rle(polygon, compressed: bool) -> dict:
    mask = bitmap(polygon)
    if compressed:
        return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    flat = mask.T.reshape(-1).astype(int)  # by columns, beginning with the length of a run of zeros
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff(np.concatenate([[0], edges])).tolist()}


def half() -> T.TransformList:
    return T.TransformList([CanvasTransform((HEIGHT, WIDTH), (30, 40), (30, 40), (0, 0))])


def test_polygons_stay_polygons_by_hand():
    masks, has_mask = transformed_masks([{"segmentation": [SQUARE]}, {}, {"segmentation": []}], half(), (30, 40))
    assert isinstance(masks, PolygonMasks) and has_mask.tolist() == [True, False, False]
    assert masks.polygons[0][0].tolist() == [5, 10, 15, 10, 15, 20, 5, 20]
    assert masks.polygons[1:] == [[], []]


@pytest.mark.parametrize("compressed", [True, False])
def test_a_mixed_image_is_bitmaps_by_hand(compressed):
    annotations = [
        {"segmentation": [SQUARE]},
        {"segmentation": rle(SQUARE, compressed)},
        {"segmentation": bitmap(SQUARE)},
        {"segmentation": None},
    ]
    masks, has_mask = transformed_masks(annotations, half(), (30, 40))
    assert isinstance(masks, BitMasks) and has_mask.tolist() == [True, True, True, False]
    expected = torch.zeros(30, 40, dtype=torch.bool)
    expected[10:20, 5:15] = True
    assert all(torch.equal(mask, expected) for mask in masks.tensor[:3]) and not masks.tensor[3].any()


def test_bitmasks_where_the_config_asks_for_them():
    masks, _ = transformed_masks([{"segmentation": [SQUARE]}], half(), (30, 40), "bitmask")
    assert isinstance(masks, BitMasks) and masks.tensor.sum() == 100
    assert len(transformed_masks([], half(), (30, 40), "bitmask")[0]) == 0
    assert len(transformed_masks([], half(), (30, 40))[0]) == 0


@pytest.mark.parametrize("segmentation", ["mask.png", 3, np.zeros(4)])
def test_what_is_no_segmentation_is_named(segmentation):
    with pytest.raises(ValueError, match="list of polygons, an RLE dict or a"):
        transformed_masks([{"segmentation": segmentation}], half(), (30, 40))


@pytest.mark.parametrize("seed", range(12))
def test_polygons_and_bitmaps_go_the_same_way(seed):
    np.random.seed(seed)
    augmentations = [
        T.RandomFlip(prob=0.5),
        T.RandomFlip(prob=0.5, horizontal=False, vertical=True),
        ResizeOntoCanvas([97, 213], 400, "range", scale_range=(0.7, 1.6), shift=0.1),
    ]
    augmented = T.AugInput(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    transforms = T.AugmentationList(augmentations)(augmented)
    shape = augmented.image.shape[:2]
    for polygon in (SQUARE, TILTED):
        # a bitmap of many pixels a side, so that its own rounding is small
        outline = transformed_masks([{"segmentation": [polygon]}], transforms, shape, "bitmask")[0].tensor[0]
        pixels = transformed_masks([{"segmentation": bitmap(polygon)}], transforms, shape)[0].tensor[0]
        union = (outline | pixels).sum()
        assert union == 0 or (outline & pixels).sum() / union > 0.93


def test_a_cut_box_is_what_is_left_of_its_mask():
    # a triangle whose base is cut away: at x = 0 it is still 10 high, of the 20 of its whole box
    triangle = np.array([-20.0, 0, -20, 20, 20, 10])
    bitmaps = BitMasks.from_polygon_masks([[np.array([0.0, 5, 20, 10, 0, 15])]] * 2, 30, 40)
    for masks in (PolygonMasks([[triangle]] * 2), bitmaps):
        boxes = Boxes(torch.tensor([[0.0, 0, 20, 20], [0, 0, 20, 20]]))
        tighten_boxes(boxes, masks, np.array([True, False]))
        x0, y0, x1, y1 = boxes.tensor[0].tolist()
        assert x0 == 0 and x1 == pytest.approx(20, abs=2.5)  # no pixel centre lies in the tip
        assert y0 == pytest.approx(5, abs=1) and y1 == pytest.approx(15, abs=1)
        assert boxes.tensor[1].tolist() == [0, 0, 20, 20]


def test_a_mask_that_is_gone_leaves_the_box():
    boxes = Boxes(torch.tensor([[0.0, 0, 20, 20]]))
    tighten_boxes(boxes, PolygonMasks([[np.array([50.0, 50, 60, 50, 60, 60])]]), np.array([True]))
    assert boxes.tensor.tolist() == [[0, 0, 20, 20]]


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(path)

    def annotation(box, category, **more):
        return {"bbox": list(box), "bbox_mode": BoxMode.XYXY_ABS, "category_id": category, **more}

    objects = [
        annotation((10, 20, 30, 40), 0, segmentation=[SQUARE]),
        annotation((20, 5, 70, 50), 1),
        annotation((20, 5, 70, 50), 2, segmentation=rle(TILTED, True)),
        annotation((0, 0, 80, 60), 0, segmentation=[SQUARE], iscrowd=1),
    ]
    return {"file_name": str(path), "image_id": 1, "height": HEIGHT, "width": WIDTH, "annotations": objects}


def mask_cfg():
    cfg = get_cfg()
    cfg.MODEL.MASK_ON = True
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.RANDOM_FLIP = (30,), 200, "none"
    return cfg


def test_the_mapper_keeps_objects_that_have_a_box_alone(record):
    instances = build_mapper(mask_cfg(), is_train=True, with_annotations=True)(record)["instances"]
    assert instances.gt_classes.tolist() == [0, 1, 2]
    assert instances.gt_has_mask.tolist() == [True, False, True]
    assert instances.gt_masks.tensor.shape == (3, 30, 40)
    assert instances.gt_masks.tensor[0].sum() == 100 and not instances.gt_masks.tensor[1].any()


def test_the_mapper_without_objects_and_without_masks(record):
    record["annotations"] = []
    instances = build_mapper(mask_cfg(), True, True)(record)["instances"]
    assert len(instances) == 0 and len(instances.gt_masks) == 0 and len(instances.gt_has_mask) == 0
    cfg = mask_cfg()
    cfg.MODEL.MASK_ON = False
    assert not build_mapper(cfg, True, True)(record)["instances"].has("gt_masks")


def test_an_unknown_mask_format_is_answered():
    cfg = mask_cfg()
    cfg.INPUT.MASK_FORMAT = "polygons"
    with pytest.raises(ValueError, match="polygon"):
        build_mapper(cfg, True, True)
