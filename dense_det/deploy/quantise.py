"""Eight-bit integers, calibrated on images: OpenVINO by NNCF, ONNX by onnxruntime.

Weights use seven of the eight bits: a CPU without VNNI adds two products in 16 bits, where 2 * 255 * 127 has no room.
On such a CPU mobilenetv2_idcards of configs/zoo.yaml, after 400 steps, fell from 60.2 AP to 55.0 (onnxruntime, eight
bits), 49.9 (OpenVINO, eight bits) and 58.4 (OpenVINO, eight in all but the first layers, NNCF's default); with seven
everywhere it had 59.7 in both. NNCF leaves depthwise kernels their eighth bit: they add up one channel, in 32 bits, and
the shipped mobilenetv2_idcards has 71.7 AP with AVX2 alone (ONEDNN_MAX_CPU_ISA) as with VNNI.
"""

import json
import logging
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dense_det.deploy.runtime import KEY

CONVOLUTIONS = ("Conv", "Convolution", "GroupConvolution")  # as ONNX and OpenVINO name them
# operator -> its inputs that carry values, where others say what size, where to or how many; else all of them do
_NONE, _FIRST, _UPDATE = (), (0,), (0, 2)
VALUES = {
    **dict.fromkeys(("Shape", "ShapeOf", "ConstantOfShape", "Range", "NonZero", "TopK", "NonMaxSuppression"), _NONE),
    **dict.fromkeys(
        ("Reshape", "Expand", "Broadcast", "Pad", "Slice", "StridedSlice", "Resize", "Interpolate"), _FIRST
    ),
    **dict.fromkeys(("Gather", "GatherElements", "GatherND", "RoiAlign", "ROIAlign"), _FIRST),
    **dict.fromkeys(("ScatterND", "ScatterNDUpdate"), _UPDATE),
}


def outside_the_network(nodes: list[tuple[str, str, list[str]]]) -> list[str]:
    """The nodes that have no convolution before or none behind them: pixels and boxes need every digit.

    The boxes within which masks are predicted have both, but no convolution takes them for values.

    Args:
        nodes: (name, operator, names of the nodes it reads, "" for constants) in the order of computation.
    """
    nodes = [
        (name, kind, [sources[k] for k in VALUES.get(kind, range(len(sources))) if k < len(sources)])
        for name, kind, sources in nodes
    ]
    behind, before = set(), set()
    for name, kind, sources in nodes:
        if kind in CONVOLUTIONS or behind.intersection(sources):
            behind.add(name)
    for name, kind, sources in reversed(nodes):
        if kind in CONVOLUTIONS or name in before:
            before.update([name, *sources])
    return [name for name, *_ in nodes if name not in behind & before]


def quantise_openvino(model, images: list[np.ndarray]):
    """OpenVINO's model with weights and activations in 8 bits (NNCF's post-training quantisation, preset MIXED).

    Args:
        images: (1, h, w, 3) uint8, as the network sees them.

    Raises:
        ImportError: nncf is not installed.
    """
    os.environ["NNCF_CI"] = "1"  # else NNCF reports its use to its makers
    try:
        import nncf
    except ImportError as error:
        raise ImportError("--int8 of OpenVINO needs nncf: pip install 'dense_det[openvino]'") from error
    nncf.set_log_level(logging.WARNING)  # else a line for each of hundreds of operations
    nodes = [
        (
            node.get_friendly_name(),
            node.get_type_name(),
            [value.get_node().get_friendly_name() for value in node.input_values()],
        )
        for node in model.get_ordered_ops()
    ]
    with _no_word_of_infinities():
        return nncf.quantize(
            model,
            nncf.Dataset(images),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
            ignored_scope=nncf.IgnoredScope(names=outside_the_network(nodes), validate=False),
        )


def quantise_onnx(source: Path, target: Path, images: list[np.ndarray], facts: dict) -> None:
    """Write an ONNX file with weights and activations in 8 bits (static, QDQ nodes).

    Args:
        images: see quantise_openvino.
        facts: for its metadata, in place of those of `source`.

    Raises:
        ImportError: onnxruntime is not installed.
    """
    try:
        import onnx
        from onnxruntime import quantization
    except ImportError as error:
        raise ImportError("--int8 needs onnxruntime: pip install 'dense_det[runtime]'") from error

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.images = iter(images)

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {"image": image}

    model = onnx.load(source)
    maker = {output: node.name for node in model.graph.node for output in node.output}
    nodes = [(node.name, node.op_type, [maker.get(x, "") for x in node.input]) for node in model.graph.node]
    # it warns of each constant that has no channels, and of a step that its file does not need
    with _errors_alone(), _no_word_of_infinities():
        quantization.quantize_static(
            source,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=outside_the_network(nodes),
        )
    model = onnx.load(target)
    others = {prop.key: prop.value for prop in model.metadata_props}
    onnx.helper.set_model_props(model, others | {KEY: json.dumps(facts, ensure_ascii=False)})
    onnx.save(model, target)


def _no_word_of_infinities():
    """Ranges are taken of all values, of those that stay in 32 bits, too: the logarithm of an empty box's area is -inf,
    and NumPy would warn."""
    return np.errstate(over="ignore", invalid="ignore")


@contextmanager
def _errors_alone():
    """Of what is logged meanwhile; without a logger, as it is, the first line would also give the root logger a handler
    that stays."""
    root, silent = logging.getLogger(), logging.NullHandler()
    level = root.level
    root.addHandler(silent)
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(silent)
