"""What stays in full precision, by hand; what quantisation does is measured when a file is exported."""

import logging
import os
import sys
from types import SimpleNamespace

import pytest

from dense_det.deploy.quantise import outside_the_network, quantise_onnx, quantise_openvino


def test_only_what_lies_between_convolutions_is_quantised():
    nodes = [
        ("cast", "Cast", []),
        ("mean", "Constant", []),
        ("normalise", "Sub", ["cast", "mean"]),
        ("stem", "Conv", ["normalise"]),
        ("relu", "Relu", ["stem"]),
        ("up", "Resize", ["relu"]),
        ("sum", "Add", ["up", "relu"]),
        ("head", "Conv", ["sum"]),
        ("sigmoid", "Sigmoid", ["head"]),
        ("anchors", "Add", ["mean"]),
        ("boxes", "Mul", ["head", "anchors"]),
    ]
    assert outside_the_network(nodes) == ["cast", "mean", "normalise", "sigmoid", "anchors", "boxes"]


def test_boxes_that_masks_are_predicted_within_keep_every_digit():
    nodes = [
        ("stem", "Conv", ["", ""]),
        ("relu", "Relu", ["stem"]),
        ("head", "Conv", ["relu", ""]),
        ("boxes", "Mul", ["head", ""]),
        ("number", "Shape", ["boxes"]),
        ("empty", "ConstantOfShape", ["number"]),
        ("level", "NonZero", ["boxes"]),
        ("rois", "Gather", ["boxes", "level"]),
        ("pool", "RoiAlign", ["relu", "rois", ""]),
        ("pooled", "ScatterND", ["empty", "level", "pool"]),
        ("mask", "Conv", ["pooled", ""]),
        ("logits", "GatherND", ["mask", "boxes"]),
        ("sigmoid", "Sigmoid", ["logits"]),
    ]
    network = ["stem", "relu", "head", "pool", "pooled", "mask"]
    assert outside_the_network(nodes) == [name for name, *_ in nodes if name not in network]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ImportError, match=r"pip install 'dense_det\[openvino\]'"):
        quantise_openvino(None, [])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'dense_det\[runtime\]'"):
        quantise_onnx(tmp_path / "a", tmp_path / "b", [], {})


def test_nncf_tells_nobody_and_leaves_room_for_sums(monkeypatch):
    monkeypatch.delenv("NNCF_CI", raising=False)
    told, given = [], {}
    pretended = SimpleNamespace(
        quantize=lambda *a, **k: (told.append(os.environ["NNCF_CI"]), given.update(k)), Dataset=list,
        QuantizationPreset=SimpleNamespace(MIXED="mixed"), OverflowFix=SimpleNamespace(ENABLE="seven bits"),
        AdvancedQuantizationParameters=dict, IgnoredScope=lambda **k: None, set_log_level=told.append,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "nncf", pretended)
    quantise_openvino(SimpleNamespace(get_ordered_ops=list), [])
    assert told == [logging.WARNING, "1"]
    assert given["advanced_parameters"] == {"overflow_fix": "seven bits"}
