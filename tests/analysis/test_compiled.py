from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

import dense_det  # noqa: F401  registers
from dense_det.analysis.compiled import compile_parts
from dense_det.config import find_config, load_cfg

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        (CONFIGS / "retina_snet.yaml", ["backbone.bottom_up", "head"]),
        (CONFIGS / "centermask_idcards.yaml", ["backbone.bottom_up", "proposal_generator.fcos_head"]),
        ("COCO-Detection/faster_rcnn_R_50_C4_3x.yaml", ["backbone", "proposal_generator.rpn_head"]),
    ],
)
def test_bottom_up_and_heads_are_compiled(monkeypatch, config, parts):
    with torch.device("meta"):
        model = build_model(load_cfg(find_config(config), ["MODEL.DEVICE", "meta"]))
    compiled = []
    monkeypatch.setattr("torch.compile", lambda forward: compiled.append(forward.__self__) or "compiled")
    compile_parts(model)
    assert compiled == [model.get_submodule(part) for part in parts]
    assert all(part.forward == "compiled" for part in compiled)
