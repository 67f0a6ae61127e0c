"""What README says that code can check."""

import re
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

from dense_det.analysis.complexity import detector_row, markdown_table
from dense_det.analysis.cost_rows import module_rows
from dense_det.config import load_cfg

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODELS = re.findall(r"^\| ((?:retina|d|centermask)\w+) \|", README, flags=re.MULTILINE)


@pytest.mark.parametrize("name", MODELS)
def test_the_table_of_models_is_what_the_tool_prints(name):
    with torch.device("meta"):
        model = build_model(load_cfg(ROOT / "configs" / f"{name}.yaml", ["MODEL.DEVICE", "meta"]))
    assert markdown_table([detector_row(name, model, [800, 1216])]).splitlines()[-1] in README


def test_the_share_of_the_head_is_what_the_tool_prints():
    """In the words below the costs of detectors."""
    with torch.device("meta"):
        opts = ["MODEL.DEVICE", "meta", "MODEL.RETINANET.NUM_CLASSES", 1]
        model = build_model(load_cfg(ROOT / "configs" / "retina_snet.yaml", opts))
    rows = {row["name"]: row for row in module_rows(model, 224, depth=3)}
    halves = ("bbox_subnet", "bbox_pred"), ("cls_subnet", "cls_score")
    shares = [sum(rows[f"head.{name}"]["share"] for name in half) for half in halves]
    words = "At 224 px and one class SNet is {:.3f} GMACs, {:.1f} and {:.1f} % of them in the two halves of its head"
    assert words.format(rows[""]["macs"] / 1e9, *shares) in " ".join(README.split())


def test_every_light_model_is_in_the_table():
    light = {"retina_vovnet", "retina_vovnet_19_slim", "demo_docpages", "docpages_all", "centermask_idcards"}
    assert light <= set(MODELS)


def test_files_that_are_named_exist():
    for path in re.findall(
        r"(?:tools|configs|datasets|dense_det|tests|docs)/[\w/]+\.(?:py|yaml|md|json|jpg|png)", README
    ):
        assert (ROOT / path).is_file(), path


def test_quoted_runs_are_there():
    """tools/quote_run.py fills them."""
    blocks = re.findall(r"<!-- run: (\S+) -->\n(.*?)<!-- end of run (\S+) -->", README, re.DOTALL)
    names = ["demo", "demo-train", "centermask_idcards"]
    assert [name for name, _, _ in blocks] == [name for *_, name in blocks] == names
    assert all("AP50" in text and "commit" in text for _, text, _ in blocks)
