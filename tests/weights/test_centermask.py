"""Whole CenterMask2 checkpoints, given by the names and shapes of their tensors, fill our detectors."""

import re
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

from dense_det.checkpoint import load_weights
from dense_det.config import load_cfg
from dense_det.weights.source import CAFFE_BGR

HERE = Path(__file__).parent
FILES = {
    "centermask2-lite_V-19-slim-dw-eSE": "centermask_lite_vovnet_19_slim_dw",
    "centermask2_V-39-eSE": "centermask_vovnet",
}
FROZEN = ["MODEL.DEVICE", "cpu", "MODEL.BOTTOM_UP.NORM", "FrozenBN", "MODEL.FPN.NORM", ""]


def published_state(name: str) -> dict[str, torch.Tensor]:
    """Random tensors under the names and with the shapes of a published file."""
    generator, state = torch.Generator().manual_seed(0), {}
    for line in (HERE / "keys" / f"{name}.txt").read_text().splitlines():
        key, shape = re.fullmatch(r"(\S+) \(([\d, ]*)\)", line).groups()
        state[key] = torch.rand([int(n) for n in re.findall(r"\d+", shape)], generator=generator)
    return state


@pytest.mark.parametrize("name", FILES)
def test_every_tensor_of_a_published_file_is_used(tmp_path, name):
    state = published_state(name)
    torch.save({"model": state}, tmp_path / "published.pth")
    model = build_model(load_cfg(HERE.parents[1] / "configs" / f"{FILES[name]}.yaml", FROZEN))
    report = load_weights(model, tmp_path / "published.pth")
    assert report.is_clean and not report.absent and not report.missing and not report.unused, report.to_text()
    assert len(report.loaded) == len(state) and report.pixels == CAFFE_BGR
    ours = model.state_dict()
    for theirs, mine in (
        ("roi_heads.mask_head.spatialAtt.conv.weight", "roi_heads.mask_head.spatial_attention.conv.weight"),
        ("proposal_generator.fcos_head.bbox_tower.4.bias", "proposal_generator.fcos_head.bbox_tower.4.bias"),
        ("roi_heads.maskiou_head.maskiou.weight", "roi_heads.maskiou_head.maskiou.weight"),
        ("backbone.top_block.p7.weight", "backbone.top_block.p7.weight"),
    ):
        assert torch.equal(ours[mine], state[theirs]), mine


def test_a_retinanet_takes_the_bottom_up_and_pyramid_alone(tmp_path):
    name = "centermask2-lite_V-19-slim-dw-eSE"
    torch.save(published_state(name), tmp_path / "published.pth")
    fpn = ["MODEL.FPN.TOP_BLOCK_IN", "p5"]
    cfg = load_cfg(HERE.parents[1] / "configs" / "retina_vovnet_19_slim_dw.yaml", [*FROZEN, *fpn])
    report = load_weights(build_model(cfg), tmp_path / "published.pth", complete=False)
    assert {key.split(".")[0] for key in report.loaded} == {"backbone"}
    assert any(key.startswith("roi_heads.maskiou_head") for keys in report.unused.values() for key in keys)
