"""tools/export_model.py: which images, names and file it decides on."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dense_det.config import load_cfg
from dense_det.engine.model import build_model

_PATH = Path(__file__).parents[2] / "tools" / "export_model.py"
_SPEC = importlib.util.spec_from_file_location("export_model", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)
CONFIG = str(_PATH.parents[1] / "configs" / "retina_snet.yaml")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    model = build_model(load_cfg(CONFIG, ["MODEL.RETINANET.NUM_CLASSES", 2, "MODEL.DEVICE", "cpu"]))
    torch.save({"model": model.state_dict()}, folder / "best.pth")
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / "thresholds.json").write_text(json.dumps({"card": {"threshold": 0.7}, "page": None}))
    (folder / "images").mkdir()
    for k in range(20):
        Image.fromarray(np.full((20, 30, 3), k, np.uint8)).save(folder / "images" / f"{k:02}.png")
    return folder / "best.pth"


@pytest.fixture
def delivered(monkeypatch):
    calls = []
    monkeypatch.setattr(tool, "deliver", lambda *args: calls.append(args) or iter(["done"]))
    return calls


def test_what_is_delivered(weights, delivered, capsys):
    classes = ["--opts", "MODEL.RETINANET.NUM_CLASSES", "2"]
    tool.main([CONFIG, "--weights", str(weights), "--images", str(weights.parent / "images"), *classes])
    ((model, facts, delivery),) = delivered
    assert facts["classes"] == ["card", "page"] and facts["thresholds"] == [0.7, 0.7]
    assert delivery.file == weights.with_suffix(".onnx") and len(delivery.images) == 16 and not delivery.calibration
    assert not model.training and capsys.readouterr().out == "done\n" and delivery.suppress

    images = str(weights.parent / "images")
    words = ["--format", "openvino", "--int8", images, "--out", "x", "--nms", "outside", *classes]
    tool.main([CONFIG, "--weights", str(weights), *words])
    delivery = delivered[1][2]
    assert delivery.file == Path("x/best_int8.xml") and len(delivery.calibration) == 20
    assert not delivery.suppress
    assert "AP 8 bits cost was not measured" in capsys.readouterr().out


def test_names_are_those_of_the_training(weights, delivered, capsys):
    """Its file may order the categories otherwise: boxes would be named, and judged, as something else."""
    images = [{"id": k, "file_name": f"{k:02}.png", "width": 30, "height": 20} for k in (1, 2)]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25}

    def export(*names, words=()):
        categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
        (weights.parent / "val.json").write_text(
            json.dumps({"images": images, "categories": categories, "annotations": [box]})
        )
        labelled = ["--labelled", str(weights.parent / "val.json"), str(weights.parent / "images")]
        opts = ["--opts", "MODEL.RETINANET.NUM_CLASSES", "2"]
        tool.main([CONFIG, "--weights", str(weights), *labelled, *words, *opts])
        _, facts, delivery = delivered[-1]
        return facts, delivery.truth

    facts, truth = export("page", "card")
    assert facts["classes"] == truth.class_names == ["card", "page"] and facts["thresholds"] == [0.7, 0.7]
    assert truth.classes.tolist() == [1]
    with pytest.raises(SystemExit, match="has the categories cat, dog, but the detector has the classes card, page"):
        export("cat", "dog")
    facts, truth = export("cat", "dog", words=["--classes", "dog", "cat"])
    assert facts["classes"] == truth.class_names == ["dog", "cat"] and truth.classes.tolist() == [1]
    (weights.parent / "evaluation").rename(weights.parent / "moved")
    try:
        capsys.readouterr()
        facts, truth = export("cat", "dog")
        assert facts["classes"] == truth.class_names == ["cat", "dog"] and facts["thresholds_from"] == ""
        assert "no evaluation of these classes lies beside the weights: the file's thresholds are 0.5" in (
            capsys.readouterr().out
        )
    finally:
        (weights.parent / "moved").rename(weights.parent / "evaluation")


def test_what_is_wrong(weights, delivered):
    with pytest.raises(SystemExit, match="error: no file nowhere.pth: --weights is a checkpoint"):
        tool.main([CONFIG, "--weights", "nowhere.pth", "--images", str(weights.parent / "images")])
    with pytest.raises(SystemExit, match="error: nothing to compare on: give --labelled JSON IMAGES or --images DIR"):
        tool.main([CONFIG, "--weights", str(weights)])
    with pytest.raises(SystemExit, match="error: the network has 80 classes, but 2 names"):
        tool.main([CONFIG, "--weights", str(weights), "--images", str(weights.parent / "images")])
