"""The weights in the repository: as their cards say, small, and at work."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from dense_det.config import load_cfg
from dense_det.engine.model import load_model
from dense_det.prediction.trained import find_trained
from dense_det.zoo.making import finished_row
from dense_det.zoo.shipping import MOST_MEGABYTES
from dense_det.zoo.table import zoo_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHIPPED = sorted(file.parent for file in ROOT.glob("zoo/*/CARD.md"))
MOST_OF_ALL = 60.0  # megabytes


def megabytes(folder: Path) -> float:
    return (folder / "model.safetensors").stat().st_size / 1e6


def test_there_are_some_and_they_are_small():
    assert SHIPPED and sum(map(megabytes, SHIPPED)) <= MOST_OF_ALL


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_each_is_what_its_card_says(folder):
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert digest in (folder / "CARD.md").read_text(encoding="utf-8") and megabytes(folder) <= MOST_MEGABYTES
    row = finished_row(folder)
    assert (row["name"], row["command"] in (folder / "CARD.md").read_text(encoding="utf-8")) == (folder.name, True)
    assert zoo_table([row]).splitlines()[2].split("|")[-2].strip().strip("`") in README
    trained = find_trained(folder)
    assert all(0 < threshold < 1 for threshold in trained.thresholds.values())
    model = load_model(load_cfg(trained.config, ["MODEL.WEIGHTS", str(trained.weights), "MODEL.DEVICE", "cpu"]))
    assert model.num_classes == len(trained.thresholds)
    page = torch.from_numpy(np.full((3, 96, 64), 255, np.uint8))
    with torch.inference_mode():
        (found,) = model([{"image": page, "height": 96, "width": 64}])
    scores = found["instances"].scores
    assert torch.isfinite(scores).all() and (scores < 0.5).all(), "white paper holds nothing"
