"""From a graph to a file: ONNX by torch.export, and OpenVINO from it."""

import json
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch

from dense_det.atomic_file import atomic_file
from dense_det.deploy.graph import DeployGraph
from dense_det.deploy.runtime import KEY
from dense_det.deploy.selection import onnx_translations

OUTPUTS = ["boxes", "scores", "classes", "mask_scores", "masks"]
OPSET = 18


def export_onnx(graph: DeployGraph, path, facts: dict) -> None:
    """Write a graph, with `facts` in its metadata, as ONNX.

    Raises:
        ImportError: onnx or onnxscript is not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  torch.onnx calls it
    except ImportError as error:
        raise ImportError("export needs onnx and onnxscript: pip install 'dense_det[export]'") from error
    traced = trace(graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own code
        program = torch.onnx.export(
            traced,
            dynamo=True,
            opset_version=OPSET,
            input_names=["image"],
            output_names=OUTPUTS[: len(traced.graph_signature.user_outputs)],
            custom_translation_table=onnx_translations(),
            verbose=False,
        )
    model = program.model_proto
    onnx.helper.set_model_props(model, {KEY: json.dumps(facts, ensure_ascii=False)})
    with atomic_file(path, "wb") as file:
        file.write(model.SerializeToString())


def trace(graph: DeployGraph) -> torch.export.ExportedProgram:
    """The operators of a graph, for any height and width."""
    image = torch.zeros(1, 333, 417, 3, dtype=torch.uint8)  # any size that is no multiple of anything
    free = torch.export.Dim.DYNAMIC
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own code
        return torch.export.export(graph, (image,), dynamic_shapes=({1: free, 2: free},), strict=False)


def convert_to_openvino(onnx_file):
    """OpenVINO's model of an ONNX file, with depthwise kernels as it has them.

    ONNX has a dimension less: of kernels that are reshaped on the way NNCF does not see the channels, and OpenVINO
    would compute them in 32 bits. To fold all constants would change more: PeleeNet lost 1.0 AP in 8 bits.

    Raises:
        ImportError: openvino is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise ImportError("OpenVINO's format needs openvino: pip install 'dense_det[openvino]'") from error
    # not convert_model, which reports its use to its makers
    model = openvino.Core().read_model(str(onnx_file))
    for node in model.get_ordered_ops():
        if node.get_type_name() != "GroupConvolution":
            continue
        reshape = node.input_value(1).get_node()
        if reshape.get_type_name() == "Reshape":
            kernels = reshape.input_value(0).get_node()
            if kernels.get_type_name() == "Constant":
                constant = openvino.op.Constant(kernels.data.reshape(list(reshape.get_output_shape(0))))
                node.input(1).replace_source_output(constant.output(0))
    return model


def save_openvino(model, facts: dict, path) -> None:
    """Write OpenVINO's model, with `facts` in its metadata, as an .xml file and a .bin beside it, in full precision."""
    import openvino

    model.set_rt_info(json.dumps(facts, ensure_ascii=False), [KEY])
    openvino.save_model(model, str(path), compress_to_fp16=False)


@contextmanager
def folder_beside(path: Path):
    """A temporary folder on the file system of `path`, whose own folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        yield Path(folder)
