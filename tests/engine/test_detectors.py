"""Detectors with masks, proposals and classes of pixels, trained two steps and evaluated through the same door."""

import json

import numpy as np
import pytest
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_panoptic_separated
from PIL import Image

from dense_det.engine.arguments import build_parser, parse
from dense_det.engine.run import run
from dense_det.engine.setup import setup
from dense_det.evaluation import panoptic

RCNN = """
MODEL:
  META_ARCHITECTURE: {architecture}
  MASK_ON: {masks}
  BOTTOM_UP: {{VARIANT: V-19-slim-dw-eSE, NORM: GN}}
  BACKBONE: {{NAME: build_fpn_backbone, FREEZE_AT: 0}}
  FPN: {{IN_FEATURES: [stage2, stage3, stage4, stage5], OUT_CHANNELS: 32, NORM: GN, TOP_BLOCK: LastLevelMaxPool}}
  ANCHOR_GENERATOR: {{SIZES: [[8], [16], [32], [64], [128]], ASPECT_RATIOS: [[0.5, 1.0, 2.0]]}}
  RPN: {{IN_FEATURES: [p2, p3, p4, p5, p6], POST_NMS_TOPK_TRAIN: 50, POST_NMS_TOPK_TEST: 20}}
  ROI_HEADS: {{NAME: DenseDetROIHeads, IN_FEATURES: [p2, p3, p4, p5], SCORE_THRESH_TEST: 0.0}}
  ROI_BOX_HEAD: {{NAME: FastRCNNConvFCHead, NUM_FC: 1, FC_DIM: 16, POOLER_RESOLUTION: 7}}
  ROI_MASK_HEAD: {{NAME: MaskRCNNConvUpsampleHead, NUM_CONV: 1, CONV_DIM: 16}}
  SEM_SEG_HEAD: {{CONVS_DIM: 32}}
INPUT: {{MIN_SIZE_TRAIN: [64], MIN_SIZE_TEST: 64, MAX_SIZE_TRAIN: 96, MAX_SIZE_TEST: 96,
  AUGMENT: {{SCALE_RANGE: [0.8, 1.2], SHIFT: 0.1}}}}
DATASETS: {{CHECK: False}}
DATALOADER: {{NUM_WORKERS: 0, FILTER_EMPTY_ANNOTATIONS: False}}
SOLVER: {{MAX_ITER: 2, IMS_PER_BATCH: 2, BASE_LR: 0.001, WARMUP_ITERS: 0}}
TEST: {{EVAL_PERIOD: 0, WORST_IMAGES: 1, DETECTIONS_PER_IMAGE: 5}}
SEED: 1
"""
THINGS, STUFF = ["card", "page"], ["things", "table"]


def write_panoptic(folder, name: str, count: int) -> str:
    """`count` pictures of one rectangle on a table, registered as Detectron2 registers COCO's; returns the name."""
    images, annotations, segments = [], [], []
    for part in ("images", "semantic", "panoptic"):
        (folder / part).mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(1, count + 1):
        x, y, w, h = *rng.integers(2, 20, 2).tolist(), *rng.integers(15, 40, 2).tolist()
        k = number % 2
        pixels, semantic, ids = np.full((64, 80, 3), 90, np.uint8), np.ones((64, 80), np.uint8), np.ones((64, 80), int)
        pixels[y : y + h, x : x + w] = (255, 255, 255) if k else (200, 20, 20)
        semantic[y : y + h, x : x + w] = 0
        ids[y : y + h, x : x + w] = 2
        Image.fromarray(pixels).save(folder / "images" / f"{name}{number}.jpg")
        Image.fromarray(semantic).save(folder / "semantic" / f"{name}{number}.png")
        Image.fromarray(np.stack([ids, ids * 0, ids * 0], -1).astype(np.uint8)).save(
            folder / "panoptic" / f"{name}{number}.png"
        )
        images.append({"id": number, "file_name": f"{name}{number}.jpg", "width": 80, "height": 64})
        polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
        thing = {"bbox": [x, y, w, h], "area": w * h, "iscrowd": 0, "category_id": k + 1}
        annotations.append({"id": number, "image_id": number, "segmentation": [polygon], **thing})
        table = {"id": 1, "category_id": 9, "area": 64 * 80 - w * h, "iscrowd": 0, "bbox": [0, 0, 80, 64]}
        segments.append(
            {"image_id": number, "file_name": f"{name}{number}.png", "segments_info": [table, {"id": 2, **thing}]}
        )
    things = [{"id": k + 1, "name": noun, "isthing": 1} for k, noun in enumerate(THINGS)]
    instances = {"images": images, "annotations": annotations, "categories": things}
    (folder / f"{name}.json").write_text(json.dumps(instances))
    all_kinds = [*things, {"id": 9, "name": "table", "isthing": 0}]
    (folder / f"{name}_panoptic.json").write_text(
        json.dumps({"images": images, "annotations": segments, "categories": all_kinds})
    )
    metadata = {
        "thing_classes": THINGS, "thing_dataset_id_to_contiguous_id": {1: 0, 2: 1},
        "stuff_classes": STUFF, "stuff_dataset_id_to_contiguous_id": {0: 0, 9: 1},
    }  # fmt: skip
    register_coco_panoptic_separated(
        f"{folder.name}_{name}", metadata, *(str(folder / part) for part in ("images", "panoptic")),
        str(folder / f"{name}_panoptic.json"), str(folder / "semantic"), str(folder / f"{name}.json"),
    )  # fmt: skip
    return f"{folder.name}_{name}_separated"


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panoptic")
    names = [write_panoptic(folder, "train", 4), write_panoptic(folder, "val", 2)]
    yield names
    for name in names:
        for known in (name, name.replace("_separated", "_stuffonly")):
            DatasetCatalog.remove(known)
            MetadataCatalog.remove(known)


def trained(folder, names, architecture, masks, *options):
    (folder / "model.yaml").write_text(RCNN.format(architecture=architecture, masks=masks))
    data = ["DATASETS.TRAIN", f"('{names[0]}',)", "DATASETS.TEST", f"('{names[1]}',)", "OUTPUT_DIR", str(folder)]
    words = ["--config-file", str(folder / "model.yaml"), *data, *map(str, options)]
    run(setup(parse(build_parser(), words)))
    lines = [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]
    assert any(line.get("total_loss", 0) > 0 for line in lines)
    return {key: value for line in lines for key, value in line.items()}


def test_faster_rcnn_is_evaluated_by_its_boxes(names, tmp_path):
    last = trained(tmp_path, names, "GeneralizedRCNN", False)
    assert "bbox/AP" in last and "segm/AP" not in last and "loss_mask" not in last
    assert (tmp_path / "model_best.pth").is_file()


def test_mask_rcnn_is_evaluated_by_its_masks_too(names, tmp_path):
    last = trained(tmp_path, names, "GeneralizedRCNN", True, "TEST.BEST_METRIC", "segm/AP")
    assert {"bbox/AP", "segm/AP", "loss_mask"} <= last.keys() and (tmp_path / "model_best.pth").is_file()
    found = json.loads((tmp_path / "evaluation" / "coco_instances_results.json").read_text())
    assert found and all(result["segmentation"]["size"] == [64, 80] for result in found)


def test_panoptic_fpn_learns_pixels_and_is_evaluated_by_them(names, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(panoptic, "find_spec", lambda name: None)
    monkeypatch.setattr(panoptic.logger, "propagate", True)
    last = trained(tmp_path, names, "PanopticFPN", True)
    assert {"bbox/AP", "segm/AP", "sem_seg/mIoU", "loss_sem_seg", "loss_mask"} <= last.keys()
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["MODEL"]["SEM_SEG_HEAD"]["NUM_CLASSES"] == 2
    assert "it needs the package panopticapi" in (tmp_path / "log.txt").read_text()


def test_a_panoptic_network_needs_classes_of_pixels(words, tmp_path):
    (tmp_path / "model.yaml").write_text(RCNN.format(architecture="PanopticFPN", masks=True))
    with pytest.raises(ValueError, match="register_coco_panoptic_separated"):
        setup(parse(build_parser(), ["--config-file", str(tmp_path / "model.yaml"), *words(tmp_path / "out")[2:]]))
