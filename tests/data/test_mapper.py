import io

import numpy as np
import pytest
import torch
from detectron2.data.detection_utils import read_image as detectron2_read_image
from detectron2.structures import BoxMode
from PIL import Image

from dense_det.config import get_cfg
from dense_det.data.check_images import FLOATS, read_image_file
from dense_det.data.mapper import build_mapper, read_image, visible_share, xyxy_boxes

RED = (200, 30, 10)


def page_cfg():
    cfg = get_cfg()
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.RANDOM_FLIP = (50,), 200, "none"
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 50, 200
    return cfg


def annotation(box, category=0, **more):
    return {"bbox": list(box), "bbox_mode": BoxMode.XYWH_ABS, "category_id": category, **more}


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "page.png"
    Image.new("RGB", (100, 200), "white").save(path)
    boxes = [annotation((10, 20, 30, 40), 1), annotation((50, 100, 40, 60), 0)]
    return {"file_name": str(path), "image_id": 7, "height": 200, "width": 100, "annotations": boxes}


def test_a_record_by_hand(record):
    mapped = build_mapper(page_cfg(), is_train=True, with_annotations=True)(record)
    assert mapped["image"].shape == (3, 100, 50) and mapped["image"].dtype == torch.uint8
    assert (mapped["height"], mapped["width"], mapped["image_id"]) == (200, 100, 7)
    # half the size, xywh to xyxy
    assert mapped["instances"].gt_boxes.tensor.tolist() == [[5, 10, 20, 30], [25, 50, 45, 80]]
    assert mapped["instances"].gt_classes.tolist() == [1, 0]
    assert mapped["instances"].image_size == (100, 50)
    assert "annotations" not in mapped and len(record["annotations"]) == 2
    assert record["annotations"][0]["bbox"] == [10, 20, 30, 40]


@pytest.mark.parametrize("channels_last", [True, False])
def test_pixels_lie_as_the_model_wants_them(record, channels_last):
    cfg = page_cfg()
    cfg.MODEL.CHANNELS_LAST = channels_last
    image = build_mapper(cfg, is_train=True, with_annotations=True)(record)["image"]
    assert image.stride() == ((1, 150, 3) if channels_last else (5000, 50, 1))


def test_without_annotations_there_are_no_instances(record):
    mapped = build_mapper(page_cfg(), is_train=False, with_annotations=False)(record)
    assert set(mapped) == {"file_name", "image_id", "height", "width", "image"}


def test_crowds_and_cut_boxes_are_no_targets(record):
    record["annotations"] = [
        annotation((0, 0, 50, 50), iscrowd=1),
        annotation((61, 0, 100, 10), 2),  # 39 % on the page
        annotation((60, 0, 100, 10), 3),  # 40 %
        annotation((10, 10, 0, 5), 4),
    ]
    instances = build_mapper(page_cfg(), True, True)(record)["instances"]
    assert instances.gt_classes.tolist() == [3]
    assert instances.gt_boxes.tensor.tolist() == [[30, 0, 50, 5]]


def test_a_page_without_objects(record):
    for annotations in ({"annotations": []}, {}):
        mapped = build_mapper(page_cfg(), True, True)({**record, "annotations": [], **annotations})
        assert mapped["instances"].gt_boxes.tensor.shape == (0, 4) and len(mapped["instances"].gt_classes) == 0
    del record["annotations"]
    assert len(build_mapper(page_cfg(), True, True)(record)["instances"]) == 0


def test_polygons_follow(record):
    cfg = page_cfg()
    cfg.MODEL.MASK_ON = True
    record["annotations"] = [annotation((10, 20, 30, 40), segmentation=[[10, 20, 40, 20, 40, 60]])]
    instances = build_mapper(cfg, True, True)(record)["instances"]
    assert instances.gt_masks.polygons[0][0].tolist() == [5, 10, 20, 10, 20, 30]


def test_visible_share_by_hand():
    boxes = np.array([[0, 0, 10, 10], [-5, 0, 5, 10], [-5, -5, 5, 5], [30, 0, 40, 10], [3, 3, 3, 9]], float)
    assert visible_share(boxes, (20, 20)).tolist() == [1, 0.5, 0.25, 0, 0]


def test_boxes_of_several_modes():
    mixed = [annotation((1, 2, 3, 4)), {"bbox": [1, 2, 3, 4], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0}]
    assert xyxy_boxes(mixed).tolist() == [[1, 2, 4, 6], [1, 2, 3, 4]]
    assert xyxy_boxes([]).shape == (0, 4)


def save(image, path, **kwargs):
    image.save(path, **kwargs)
    return path


def test_plain_files_are_read_as_detectron2_does(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (32, 48, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    files = {"a.png": image, "a.jpg": image, "palette.png": image.quantize(16)}
    files |= {"grey.png": image.convert("L"), "print.jpg": image.convert("CMYK"), "fax.png": image.convert("1")}
    for name, kind in files.items():
        path = save(kind, tmp_path / name)
        for order in ("BGR", "RGB"):
            theirs = detectron2_read_image(str(path), order)
            np.testing.assert_array_equal(read_image(path, order), theirs, err_msg=name)


def test_floats_are_refused_not_read_as_black(tmp_path):
    Image.fromarray(np.full((20, 30), 0.9, np.float32)).save(tmp_path / "scan.tif")
    with pytest.raises(OSError, match="32-bit floats, .* save it with 8 or 16 bits"):
        read_image(tmp_path / "scan.tif")
    found = read_image_file(str(tmp_path / "scan.tif"))
    assert (found.problem, found.reason) == ("image-unreadable", FLOATS)


def test_16_bit_scans_keep_their_tones(tmp_path):
    levels = np.array([[0, 256, 128 * 256], [255 * 256, 65535, 255]], np.uint16)
    read = read_image(save(Image.fromarray(levels), tmp_path / "scan.png"))
    assert read[:, :, 0].tolist() == [[0, 1, 128], [255, 255, 0]] and read.shape == (2, 3, 3)


def test_transparent_pixels_are_paper(tmp_path):
    glass = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    glass.putpixel((1, 0), (*RED, 255))
    palette = Image.new("P", (4, 2), 0)
    palette.putpalette([0, 0, 0, *RED])
    palette.putpixel((1, 0), 1)
    for path in (
        save(glass, tmp_path / "rgba.png"),
        save(palette, tmp_path / "palette.png", transparency=0),
    ):
        read = read_image(path, "RGB")
        assert read[0, 0].tolist() == [255, 255, 255] and read[0, 1].tolist() == list(RED)
    grey = read_image(save(glass.convert("LA"), tmp_path / "la.png"), "RGB")
    assert grey[1, 3].tolist() == [255, 255, 255]


def test_exif_turns_the_image(tmp_path):
    image = Image.new("RGB", (4, 2), "white")
    image.putpixel((0, 0), (0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    read = read_image(save(image, tmp_path / "photo.png", exif=exif))
    assert read.shape == (4, 2, 3) and read[0, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("levels", [np.uint8, np.uint16])  # modes L and I;16
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_an_uncompressed_tiff_is_turned(tmp_path, levels, orientation):
    unit = 16 if levels is np.uint8 else 16 * 256
    stored = (np.arange(15).reshape(3, 5) * unit).astype(levels)
    path = save(Image.fromarray(stored), tmp_path / "scan.tif", tiffinfo={0x0112: orientation})
    turned = {
        5: [[0, 5, 10], [1, 6, 11], [2, 7, 12], [3, 8, 13], [4, 9, 14]],
        6: [[10, 5, 0], [11, 6, 1], [12, 7, 2], [13, 8, 3], [14, 9, 4]],
        7: [[14, 9, 4], [13, 8, 3], [12, 7, 2], [11, 6, 1], [10, 5, 0]],
        8: [[4, 9, 14], [3, 8, 13], [2, 7, 12], [1, 6, 11], [0, 5, 10]],
    }
    for given in (path, str(path), io.BytesIO(path.read_bytes())):
        assert (read_image(given)[:, :, 0] // 16).tolist() == turned[orientation]


def test_bad_files_are_named(record, tmp_path):
    mapper = build_mapper(page_cfg(), True, True)
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"\xff\xd8 no image")
    for name in (damaged, tmp_path / "missing.png"):
        with pytest.raises(ValueError, match=f"{name.name}: cannot be read.*check_data"):
            mapper({**record, "file_name": str(name)})
    with pytest.raises(ValueError, match="page.png.*check_data"):
        mapper({**record, "width": 101})


def test_crowds_become_ignore_boxes(record):
    record["annotations"] += [annotation((60, 0, 60, 20), iscrowd=1), annotation((200, 0, 10, 10), iscrowd=1)]
    instances = build_mapper(page_cfg(), True, True)(record)["instances"]
    assert len(instances) == 2
    assert instances.ignore_boxes.tensor.tolist() == [[30, 0, 50, 10]]  # half the size, cut; one lies beside the page
    moved = instances.to("cpu")
    assert moved.ignore_boxes.tensor.tolist() == [[30, 0, 50, 10]] and moved.gt_classes.tolist() == [1, 0]


def test_scores_become_weights_where_they_are_asked_for(record):
    first, second = record["annotations"]
    record["annotations"] = [{**first, "score": 0.25}, second, {**second, "score": 0.5, "iscrowd": 1}]
    cfg = page_cfg()
    assert not build_mapper(cfg, True, True)(record)["instances"].has("gt_weights")
    cfg.DATALOADER.WEIGHT_BY_SCORE = True
    assert build_mapper(cfg, True, True)(record)["instances"].gt_weights.tolist() == [0.25, 1.0]
    record["annotations"] = []
    assert build_mapper(cfg, True, True)(record)["instances"].gt_weights.shape == (0,)
