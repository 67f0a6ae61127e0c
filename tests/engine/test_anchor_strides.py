from pathlib import Path

import pytest

from dense_det.config import load_cfg
from dense_det.engine.anchor_strides import anchor_strides

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_each_detector_s_own_levels():
    assert anchor_strides(load_cfg(CONFIGS / "retina_vovnet.yaml")) == [8, 16, 32, 64, 128]
    # an RPN's are finer, and RETINANET.IN_FEATURES says nothing of it
    assert anchor_strides(load_cfg(CONFIGS / "faster_rcnn_vovnet.yaml")) == [4, 8, 16, 32, 64]
    assert anchor_strides(load_cfg(CONFIGS / "faster_rcnn_vovnet.yaml", ["MODEL.RPN.IN_FEATURES", "['res4']"])) == [16]


def test_fcos_has_none():
    with pytest.raises(ValueError, match="DenseDetCenterMask with DenseDetFCOS has no anchors to fit"):
        anchor_strides(load_cfg(CONFIGS / "centermask_idcards.yaml"))
