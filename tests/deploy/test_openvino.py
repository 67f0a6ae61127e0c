"""OpenVINO's files, run by OpenVINO: the boxes of the network, and 8-bit integers where they are said to be."""

import numpy as np
import pytest

from dense_det.deploy.export import convert_to_openvino, export_onnx, save_openvino
from dense_det.deploy.quantise import quantise_openvino
from dense_det.deploy.runtime import Detector

onnx = pytest.importorskip("onnx")
openvino = pytest.importorskip("openvino")
pytest.importorskip("nncf")


@pytest.fixture(scope="module")
def network(onnx_file):
    """OpenVINO's model of a tiny detector."""
    return convert_to_openvino(onnx_file)


def test_equal_boxes_at_any_size(network, require_the_same, facts, tmp_path):
    save_openvino(network, facts, tmp_path / "model.xml")
    exported = Detector(tmp_path / "model.xml", threads=1)
    assert exported.facts == facts
    require_the_same(exported)


def test_programs_side_by_side_do_not_share_a_core(network, facts, tmp_path, monkeypatch):
    """OpenVINO pins the threads of each program from the first core on: two workers took twice as long as one."""
    save_openvino(network, facts, tmp_path / "model.xml")
    made, compile_model = [], openvino.Core.compile_model
    monkeypatch.setattr(openvino.Core, "compile_model", lambda *args: made.append(compile_model(*args)) or made[-1])
    Detector(tmp_path / "model.xml", threads=1)
    assert [each.get_property("ENABLE_CPU_PINNING") for each in made] == [False]


def test_equal_boxes_of_a_file_without_suppression(graph_of_candidates, require_the_same, tmp_path):
    graph, facts = graph_of_candidates
    export_onnx(graph, tmp_path / "model.onnx", facts)
    save_openvino(convert_to_openvino(tmp_path / "model.onnx"), facts, tmp_path / "model.xml")
    require_the_same(Detector(tmp_path / "model.xml", threads=1))


def test_eight_bits_find_nearly_the_same(network, apart, facts, noise, tmp_path):
    images = [noise(height, width) for height, width in [(96, 128), (97, 131), (120, 96)]]
    save_openvino(quantise_openvino(network.clone(), [pixels[None] for pixels in images]), facts, tmp_path / "int8.xml")
    total = apart(Detector(tmp_path / "int8.xml", threads=1), images)
    assert 3 * total.both > total.only_one and 0 < total.score < 0.6 and total.mask < 0.4  # random weights again


def test_depthwise_kernels_have_a_scale_for_each_channel(tmp_path, noise):
    """ONNX has them as (C, 1, h, w), OpenVINO as (C, 1, 1, h, w): a reshape that hid the channels from NNCF."""
    random = np.random.default_rng(0)
    kernels = {"stem": (8, 3, 3, 3), "depthwise": (8, 1, 3, 3), "head": (4, 8, 1, 1)}
    nodes = [
        onnx.helper.make_node("Transpose", ["image"], ["nchw"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("Cast", ["nchw"], ["pixels"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Conv", ["pixels", "stem"], ["features"]),
        onnx.helper.make_node("Relu", ["features"], ["positive"]),
        onnx.helper.make_node("Conv", ["positive", "depthwise"], ["filtered"], group=8),
        onnx.helper.make_node("Conv", ["filtered", "head"], ["found"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, [1, "h", "w", 3])],
        [onnx.helper.make_tensor_value_info("found", onnx.TensorProto.FLOAT, None)],
        [
            onnx.numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)
            for name, shape in kernels.items()
        ],
    )
    opset = onnx.helper.make_opsetid("", 18)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10), tmp_path / "tiny.onnx")
    network = quantise_openvino(convert_to_openvino(tmp_path / "tiny.onnx"), [noise(40, 60)[None]])
    (depthwise,) = (node for node in network.get_ordered_ops() if node.get_type_name() == "GroupConvolution")
    scaled = depthwise.input_value(1).get_node()
    integers, scale = (value.get_node() for value in scaled.input_values())
    assert scaled.get_type_name() == "Multiply" and list(scale.get_output_shape(0)) == [8, 1, 1, 1, 1]
    data = integers.input_value(0).get_node().data
    assert data.dtype == np.int8 and data.shape == (8, 1, 1, 3, 3)
