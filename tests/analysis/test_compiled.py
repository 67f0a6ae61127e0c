from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

import dense_det  # noqa: F401  registers
from dense_det.analysis.compiled import compile_parts, compile_subject
from dense_det.analysis.part_latency import Subject
from dense_det.analysis.sample_page import sample_jpeg
from dense_det.analysis.source import Source
from dense_det.config import find_config, load_cfg
from dense_det.data.mapper import read_image

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


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_subject_is_compiled_for_what_is_timed(monkeypatch, dtype):
    """What compiles for every size of a batch and every precision has nothing left to compile."""
    compiled = set()

    def compile_(forward):
        def run(x):
            x = [x] if isinstance(x, torch.Tensor) else x
            compiled.add((forward.__self__, len(x[0]), torch.is_autocast_enabled("cpu")))
            return forward(*x) if len(x) == 1 else forward(x)

        return run

    monkeypatch.setattr("torch.compile", compile_)
    model = build_model(load_cfg(CONFIGS / "retina_snet.yaml", ["MODEL.DEVICE", "cpu"])).eval()
    subject = Subject("a", model, Source(sample_jpeg((64, 64)), read_image, "RGB", (64, 64)), dtype=dtype)
    compile_subject(subject, "cpu", 2)
    before = set(compiled)
    assert before == {(part, 2, dtype is not None) for part in (model.backbone.bottom_up, model.head)}
    subject.round("cpu", 2)
    assert compiled == before
