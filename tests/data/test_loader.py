import itertools
import json
import random

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.utils import comm
from PIL import Image

from dense_det.config import get_cfg
from dense_det.data.catalog import register_coco
from dense_det.data.loader import build_repeats, build_test_loader, build_train_loader, is_mixed, load_records

NUM_IMAGES = 7


@pytest.fixture
def pages(tmp_path):
    """Registers a data set of NUM_IMAGES pages, of which the last has no object; gives a function for more."""
    registered = []

    def register(name, categories=("Text", "Table"), num_images=NUM_IMAGES):
        images, annotations = [], []
        for n in range(1, num_images + 1):
            pixels = np.random.RandomState(n).randint(0, 256, (40, 30 + n, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{n}.png")
            images.append({"id": n, "file_name": f"{n}.png", "width": 30 + n, "height": 40})
            if n < num_images:
                box = {"image_id": n, "category_id": 1 + n % 2, "bbox": [5, 5, 20, 10 + n], "area": 200, "iscrowd": 0}
                annotations.append({"id": n, **box})
        classes = [{"id": k + 1, "name": c} for k, c in enumerate(categories)]
        (tmp_path / f"{name}.json").write_text(
            json.dumps({"images": images, "annotations": annotations, "categories": classes})
        )
        register_coco_instances(name, {}, str(tmp_path / f"{name}.json"), str(tmp_path))
        registered.append(name)
        return name

    register("loader_pages")
    yield register
    for name in registered:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def page_cfg(workers=0, batch=4, seed=5):
    cfg = get_cfg()
    cfg.DATASETS.TRAIN, cfg.SEED, cfg.DATALOADER.NUM_WORKERS = ("loader_pages",), seed, workers
    cfg.SOLVER.IMS_PER_BATCH = batch
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING = (24, 32), 64, "choice"
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 32, 64
    jitter = cfg.INPUT.AUGMENT
    jitter.SCALE_RANGE, jitter.SHIFT, jitter.SCAN_WEAR = [0.7, 1.4], 0.1, 0.7
    jitter.BRIGHTNESS = jitter.CONTRAST = jitter.SATURATION = 0.2
    return cfg


def batches(cfg, count, start_iter=0):
    return list(itertools.islice(build_train_loader(cfg, start_iter), count))


def assert_same(batch, other):
    assert [r["image_id"] for r in batch] == [r["image_id"] for r in other]
    for a, b in zip(batch, other, strict=True):
        assert torch.equal(a["image"], b["image"])
        assert torch.equal(a["instances"].gt_boxes.tensor, b["instances"].gt_boxes.tensor)
        assert torch.equal(a["instances"].gt_classes, b["instances"].gt_classes)


def test_workers_do_not_matter(pages):
    for batch, other in zip(batches(page_cfg(0), 4), batches(page_cfg(2), 4), strict=True):
        assert_same(batch, other)


def test_a_resume_goes_on_with_the_same_batches(pages):
    whole = batches(page_cfg(), 5)
    for batch, other in zip(whole[2:], batches(page_cfg(), 3, start_iter=2), strict=True):
        assert_same(batch, other)


def test_processes_share_the_global_batch(pages, monkeypatch):
    whole = batches(page_cfg(), 3)
    monkeypatch.setattr(comm, "get_world_size", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(comm, "get_rank", lambda rank=rank: rank)
        shares.append(batches(page_cfg(), 3))
    for batch, *parts in zip(whole, *shares, strict=True):
        assert [len(part) for part in parts] == [2, 2]
        assert_same(batch, [parts[0][0], parts[1][0], parts[0][1], parts[1][1]])


def test_the_same_image_looks_different_in_another_epoch(pages):
    seen = [r for batch in batches(page_cfg(batch=6), 2) for r in batch]  # 6 images with objects: an epoch each
    first, second = ({r["image_id"]: r["image"] for r in part} for part in (seen[:6], seen[6:]))
    assert first.keys() == second.keys()
    assert all(first[k].shape != second[k].shape or not torch.equal(first[k], second[k]) for k in first)


def test_the_seed_matters(pages):
    with pytest.raises(AssertionError):
        assert_same(batches(page_cfg(seed=1), 1)[0], batches(page_cfg(seed=2), 1)[0])


def test_global_generators_are_left_alone(pages):
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = states()
    batches(page_cfg(), 2)
    next(iter(build_test_loader(page_cfg(), "loader_pages")))
    assert states() == before


def test_images_without_objects(pages):
    cfg = page_cfg(batch=14)
    assert {r["image_id"] for r in batches(cfg, 1)[0]} == set(range(1, NUM_IMAGES))
    cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS = False
    assert {r["image_id"] for r in batches(cfg, 1)[0]} == set(range(1, NUM_IMAGES + 1))


def test_test_loader_gives_every_image_once_in_order(pages):
    loader = build_test_loader(page_cfg(), "loader_pages")
    records = [batch[0] for batch in loader]
    assert [r["image_id"] for r in records] == list(range(1, NUM_IMAGES + 1)) and len(loader) == NUM_IMAGES
    assert records[0]["image"].shape == (3, 41, 32)  # 40 x 31 at a short edge of 32
    assert (records[0]["height"], records[0]["width"]) == (40, 31) and "instances" not in records[0]


def test_test_loader_with_annotations_does_not_augment(pages):
    plain = [batch[0] for batch in build_test_loader(page_cfg(), "loader_pages")]
    labelled = [batch[0] for batch in build_test_loader(page_cfg(), "loader_pages", with_annotations=True)]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(plain, labelled, strict=True))
    assert [len(r["instances"]) for r in labelled] == [1] * (NUM_IMAGES - 1) + [0]


def test_several_data_sets_one_after_the_other(pages):
    pages("loader_more", num_images=3)
    assert len(load_records(["loader_pages", "loader_more"])) == NUM_IMAGES + 3


def test_what_does_not_fit_is_named(pages, monkeypatch):
    pages("loader_swapped", categories=("Table", "Text"))
    cfg = page_cfg()
    cfg.DATASETS.TRAIN = ("loader_pages", "loader_swapped")
    with pytest.raises(ValueError, match="same classes.*loader_pages.*loader_swapped"):
        build_train_loader(cfg)
    cfg.DATASETS.TRAIN = ("loader_page",)
    with pytest.raises(ValueError, match="did you mean 'loader_pages'"):
        build_train_loader(cfg)
    cfg.DATASETS.TRAIN = ()
    with pytest.raises(ValueError, match="no data set given"):
        build_train_loader(cfg)
    cfg = page_cfg()
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorSampler"
    with pytest.raises(ValueError, match="Known: TrainingSampler, RepeatFactorTrainingSampler"):
        build_train_loader(cfg)
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    with pytest.raises(ValueError, match="REPEAT_THRESHOLD in .0, 1., got 0.0"):
        build_train_loader(cfg)
    with pytest.raises(AssertionError, match="SEED"):
        build_train_loader(page_cfg(seed=-1))
    monkeypatch.setattr(comm, "get_world_size", lambda: 3)
    with pytest.raises(ValueError, match="IMS_PER_BATCH is 4, which 3 processes.*multiple of 3"):
        build_train_loader(page_cfg())


def test_an_unreadable_image_stops_training_by_its_name(pages, tmp_path):
    (tmp_path / "3.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="3.png: cannot be read"):
        batches(page_cfg(), 4)


def test_only_empty_images(pages):
    pages("loader_empty", num_images=1)
    cfg = page_cfg()
    cfg.DATASETS.TRAIN = ("loader_empty",)
    with pytest.raises(ValueError, match="has an object to learn from"):
        build_train_loader(cfg)


def test_rare_classes_are_repeated_by_the_square_root_of_their_rarity():
    """LVIS' rule by hand: a class on a share f of the images, threshold t: sqrt(t / f) times, at least once."""
    records = [{"annotations": [{"category_id": 0}]}] * 3 + [{"annotations": [{"category_id": 1}]}, {"annotations": []}]
    cfg = page_cfg()
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    cfg.DATALOADER.REPEAT_THRESHOLD = 0.8
    assert build_repeats(cfg, records) == pytest.approx([(0.8 / 0.6) ** 0.5] * 3 + [2.0, 1.0])


def test_ignore_regions_are_no_objects_of_their_class():
    records = [{"annotations": [{"category_id": 0}, {"category_id": 1, "iscrowd": 1}]} for _ in range(9)]
    records.append({"annotations": [{"category_id": 1, "iscrowd": 0}]})
    cfg = page_cfg()
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    cfg.DATALOADER.REPEAT_THRESHOLD = 0.4
    assert build_repeats(cfg, records) == pytest.approx([1.0] * 9 + [2.0])  # class 1 is on a tenth of the images


def test_what_a_person_reviewed_is_labelled(pages, tmp_path):
    coco = json.loads((tmp_path / "loader_pages.json").read_text())
    coco["images"][1]["reviewed"] = True
    (tmp_path / "reviewed.json").write_text(json.dumps({"info": {"pseudo_labels": {}}, **coco}))
    register_coco("loader_reviewed", tmp_path / "reviewed.json", tmp_path)
    try:
        records = load_records(["loader_reviewed"])
        assert [record["pseudo"] for record in records] == [True, False] + [True] * (NUM_IMAGES - 2)
        reviewed = [{**record, "pseudo": False} for record in records]
        assert is_mixed(0.6, [records, [{}]]) and is_mixed(0.6, [reviewed, records])
        assert not is_mixed(0.6, [reviewed, [{}]])  # nothing is a teacher's any more
        assert not is_mixed(0.6, [records])  # or the one image would fill 6 of 10 places
    finally:
        DatasetCatalog.remove("loader_reviewed")
        MetadataCatalog.remove("loader_reviewed")


def test_pseudo_labels_without_an_object_cannot_be_mixed(pages, tmp_path):
    coco = json.loads((tmp_path / "loader_pages.json").read_text())
    coco["annotations"] = []
    (tmp_path / "empty.json").write_text(json.dumps({"info": {"pseudo_labels": {}}, **coco}))
    register_coco("loader_empty", tmp_path / "empty.json", tmp_path)
    try:
        cfg = page_cfg()
        cfg.DATASETS.TRAIN = ("loader_pages", "loader_empty")
        with pytest.raises(ValueError, match="no pseudo-labelled one with an object; 0 does not mix"):
            build_train_loader(cfg)
    finally:
        DatasetCatalog.remove("loader_empty")
        MetadataCatalog.remove("loader_empty")


def _labelled(cfg) -> list[int]:
    """Images of the person's file in each of four batches."""
    return [sum(image["image_id"] < 100 for image in batch) for batch in batches(cfg, 4)]


def test_pseudo_labels_have_their_share_of_every_batch(pages, tmp_path):
    coco = json.loads((tmp_path / "loader_pages.json").read_text())
    for image in coco["images"]:
        image["id"] += 100
    for annotation in coco["annotations"]:
        annotation["image_id"] += 100
    (tmp_path / "pseudo.json").write_text(json.dumps({"info": {"pseudo_labels": {}}, **coco}))
    register_coco("loader_pseudo", tmp_path / "pseudo.json", tmp_path)
    try:
        cfg = page_cfg(batch=5)
        cfg.DATASETS.TRAIN = ("loader_pages", "loader_pseudo")
        assert _labelled(cfg) == [3] * 4  # 6:4, where nobody says otherwise
        cfg.DATALOADER.LABELLED_SHARE = 0.2
        assert _labelled(cfg) == [1] * 4
        cfg.DATALOADER.LABELLED_SHARE = 0.0  # as the images come: the person's are half of them, and at any place
        assert len(set(_labelled(cfg))) > 1
        cfg.DATALOADER.LABELLED_SHARE = 6
        with pytest.raises(ValueError, match="between"):
            build_train_loader(cfg)
    finally:
        DatasetCatalog.remove("loader_pseudo")
        MetadataCatalog.remove("loader_pseudo")


@pytest.mark.parametrize(("grouping", "least", "most"), [(True, 0, 1), (False, 20, 40)])
def test_nearly_every_batch_has_images_of_one_shape(pages, grouping, least, most):
    """Of 14 pages 9 are upright, 31 to 39 by 40; without grouping a batch of 2 has both at 1 - (9² + 5²) / 14²."""
    cfg = page_cfg(batch=2)
    cfg.DATASETS.TRAIN, cfg.DATALOADER.ASPECT_RATIO_GROUPING = (pages("mixed_pages", num_images=14),), grouping
    cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS = False
    both = sum(len({row["height"] > row["width"] for row in batch}) == 2 for batch in batches(cfg, 64))
    assert least <= both <= most
