"""Tiny detectors with scattered scores, and pictures of any size. Two levels: torch.export is slow."""

import numpy as np
import pytest
import torch

from dense_det.config import load_cfg
from dense_det.deploy.export import export_onnx
from dense_det.deploy.graph import deploy_graph
from dense_det.deploy.parity import Difference, difference, found_by
from dense_det.engine.model import build_model

FACTS = {"classes": ["Täble", "b", "c"], "thresholds": [0.06, 0.08, 0.1], "min_size": 96, "max_size": 160}
SHARED = """
MODEL:
  DEVICE: cpu
  META_ARCHITECTURE: {architecture}
  BOTTOM_UP: {{NAME: build_blocknet_backbone, BLOCKNET: {{BLOCK: ResidualBlock, STEM: ConvStem, STEM_WIDTH: 8,
    NUM_BLOCKS: [1, 1, 1, 1], WIDTHS: [8, 8, 16, 16]}}}}
  BACKBONE: {{NAME: build_fpn_backbone, FREEZE_AT: 0}}
  FPN: {{IN_FEATURES: [stage4, stage5], OUT_CHANNELS: 16, NORM: BN, TOP_BLOCK: ""}}
  PIXEL_MEAN: [123.675, 116.28, 103.53]
  PIXEL_STD: [58.395, 57.12, 57.375]
INPUT: {{FORMAT: {order}, MIN_SIZE_TEST: 96, MAX_SIZE_TEST: 160}}
"""
RETINANET = """  RETINANET: {IN_FEATURES: [p4, p5], NUM_CONVS: 1, NORM: BN, NUM_CLASSES: 3,
    TOPK_CANDIDATES_TEST: 200}
  ANCHOR_GENERATOR: {SIZES: [[16, 24], [48, 72]]}
"""
FCOS = """  PROPOSAL_GENERATOR: {NAME: DenseDetFCOS}
  MASK_ON: False
  FCOS: {IN_FEATURES: [p4, p5], SIZES_OF_INTEREST: [48], NUM_CLASSES: 3, NUM_CLS_CONVS: 1, NUM_BOX_CONVS: 1,
    PRE_NMS_TOPK_TEST: 40}
  ROI_HEADS: {NAME: DenseDetCenterROIHeads, NUM_CLASSES: 3, IN_FEATURES: [p4, p5]}
"""
MASKS = """MASK_ON: True
  MASKIOU_ON: True
  ROI_MASK_HEAD: {NAME: DenseDetSpatialAttentionMaskHead, ASSIGN_CRITERION: ratio, NUM_CONV: 1, CONV_DIM: 16,
    POOLER_RESOLUTION: 14, QUADS: True}
  ROI_MASKIOU_HEAD: {NUM_CONV: 1, CONV_DIM: 8, FC_DIM: 16}"""


def write_config(folder, kind: str, order: str = "RGB"):
    """The file of a tiny "retinanet", "fcos" or "centermask"."""
    retinanet = kind == "retinanet"
    text = SHARED.format(
        architecture="DenseDetRetinaNet" if retinanet else "DenseDetCenterMask",
        order=order,
    )
    head, tail = text.split("INPUT:")
    path = folder / f"{kind}.yaml"
    path.write_text(head + (RETINANET if retinanet else FCOS) + "INPUT:" + tail)
    if kind == "centermask":
        path.write_text(path.read_text().replace("MASK_ON: False", MASKS))
    return path


@torch.no_grad()
def tiny_detector(path, opts=()):
    """The network of a config with weights that find a few dozen boxes of any score in noise."""
    torch.manual_seed(0)
    model = build_model(load_cfg(path, opts)).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    image = torch.from_numpy(noise(96, 128).transpose(2, 0, 1).copy())
    features = model.backbone(model.preprocess_image([{"image": image}]).tensor)
    logits, deltas = model.head([features[name] for name in model.head_in_features])[:2]
    logits, deltas = (torch.cat([level.flatten() for level in levels]) for levels in (logits, deltas))
    last = getattr(model.head, "cls_score", None) or model.head.cls_logits
    last.weight *= 1.5 / logits.std()
    last.bias.fill_(-4.0)
    if hasattr(model.head, "bbox_pred") and hasattr(model.head, "cls_score"):
        model.head.bbox_pred.weight *= 0.3 / deltas.std()
    heads = getattr(model, "roi_heads", None)
    if getattr(heads, "mask_head", None):
        heads.mask_head.predictor.weight *= 200  # from 0.001, where every mask is a half
    return model


def noise(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: soft blobs."""
    rng = np.random.default_rng(height * 1000 + width)
    coarse = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(16, 0).repeat(16, 1)[:height, :width])


@pytest.fixture
def facts():
    return dict(FACTS)


@pytest.fixture(scope="session", name="noise")
def noise_fixture():
    return noise


@pytest.fixture(scope="session")
def make_config(tmp_path_factory):
    """(kind, order="RGB") -> the file of a tiny detector."""
    return lambda *kind: write_config(tmp_path_factory.mktemp("tiny"), *kind)


@pytest.fixture(scope="session")
def make_detector(make_config):
    """(kind, order="RGB", opts=()) -> a tiny detector."""
    return lambda kind, order="RGB", opts=(): tiny_detector(make_config(kind, order), opts)


@pytest.fixture(scope="session", params=["retinanet", "fcos", "centermask"])
def detector(request, make_detector):
    return make_detector(request.param)


@pytest.fixture
def graph_of_candidates(detector):
    """(graph without suppression, its facts)."""
    graph = deploy_graph(detector, suppress=False)
    return graph, {**FACTS, "nms": {"iou": graph.nms_iou, "most": graph.most}}


@pytest.fixture(scope="session")
def onnx_file(detector, tmp_path_factory):
    """The detector as a file, with FACTS in its metadata."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    path = tmp_path_factory.mktemp("exported") / "deep" / "model.onnx"
    export_onnx(deploy_graph(detector), path, FACTS)
    return path


@pytest.fixture
def require_the_same(detector):
    """(file's detector): it finds what the network finds, at sizes that its export never saw."""

    def require(exported) -> None:
        total = Difference()
        for size in [(96, 128), (97, 131), (33, 200), (64, 64), (7, 5)]:
            pixels = noise(*size)
            found = exported.run(pixels[None])
            boxes, scores, classes = found[:3]
            assert (boxes.dtype, scores.dtype, classes.dtype) == (np.float32, np.float32, np.int64)
            assert (np.diff(scores) <= 0).all()
            total += difference(found_by(detector, pixels), found)
        assert total.both > 10 and total.only_one == 0 and total.box_px < 1e-3 and total.score < 1e-5
        assert total.mask < 1e-4

    return require


@pytest.fixture
def apart(detector):
    """(file's detector, images) -> Difference from what the network finds."""
    return lambda exported, images: sum(
        (difference(found_by(detector, pixels), exported.run(pixels[None])) for pixels in images), start=Difference()
    )
