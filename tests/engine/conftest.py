"""A tiny real job: coloured rectangles on white pages, the smallest VoVNet, 64 px."""

import json

import cv2
import numpy as np
import pytest

CONFIG = """
MODEL:
  META_ARCHITECTURE: DenseDetRetinaNet
  BOTTOM_UP: {VARIANT: V-19-slim-dw-eSE, NORM: GN}
  BACKBONE: {NAME: build_fpn_backbone, FREEZE_AT: 0}
  FPN: {IN_FEATURES: [stage3, stage4, stage5], OUT_CHANNELS: 64, NORM: GN}
  RETINANET: {IN_FEATURES: [p3, p4, p5, p6, p7], NUM_CONVS: 1, NORM: GN}
  ANCHOR_GENERATOR: {SIZES: [[8], [16], [32], [64], [128]]}
INPUT: {MIN_SIZE_TRAIN: [64], MIN_SIZE_TEST: 64, MAX_SIZE_TRAIN: 96, MAX_SIZE_TEST: 96, RANDOM_FLIP: none,
  AUGMENT: {SCALE_RANGE: [0.8, 1.2], SHIFT: 0.1, BRIGHTNESS: 0.3}}
DATALOADER: {NUM_WORKERS: 0}
SOLVER: {OPTIMIZER: AdamW, BASE_LR: 0.001, MAX_ITER: 6, IMS_PER_BATCH: 4, WARMUP_ITERS: 2, CHECKPOINT_PERIOD: 2,
  EMA_DECAY: 0.9, LR_SCHEDULER_NAME: WarmupCosineLR}
TEST: {EVAL_PERIOD: 3, WORST_IMAGES: 2}
SEED: 1
"""


def write_coco(folder, name: str, count: int, classes=("red", "blue")):
    """`count` pages with one to three rectangles each; returns the COCO file."""
    rng = np.random.default_rng(len(name))
    images, annotations = [], []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        page = np.full((64, 80, 3), 255, np.uint8)
        file_name = f"{name}{number}.png"
        for _ in range(rng.integers(1, 4)):
            x, y = rng.integers(0, 50), rng.integers(0, 40)
            w, h = rng.integers(12, 28), rng.integers(10, 22)
            category = int(rng.integers(1, len(classes) + 1))
            page[y : y + h, x : x + w] = (0, 0, 255) if category == 1 else (255, 0, 0)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category, "iscrowd": 0,
                 "bbox": [int(x), int(y), int(w), int(h)], "area": int(w * h)}
            )  # fmt: skip
        cv2.imwrite(str(folder / "images" / file_name), page)
        images.append({"id": number, "file_name": file_name, "width": 80, "height": 64})
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(classes)]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """A folder with train.json (10 pages), val.json (3), images/ and tiny.yaml."""
    folder = tmp_path_factory.mktemp("pages")
    write_coco(folder, "train", 10)
    write_coco(folder, "val", 3)
    (folder / "tiny.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="session")
def words(pages):
    """The command line of a tiny training, for a folder of results and overrides."""

    def build(output, *options, flags=()) -> list[str]:
        images = str(pages / "images")
        return [
            "--config-file", str(pages / "tiny.yaml"), *flags,
            "--train-json", str(pages / "train.json"), "--train-images", images,
            "--val-json", str(pages / "val.json"), "--val-images", images,
            "OUTPUT_DIR", str(output), *map(str, options),
        ]  # fmt: skip

    return build
