"""A detector with every kind of file, to be timed."""

from pathlib import Path

import numpy as np
from torch import nn

from dense_det.deploy.export import convert_to_openvino, export_onnx, save_openvino
from dense_det.deploy.graph import deploy_graph
from dense_det.deploy.quantise import quantise_openvino


def export_trials(model: nn.Module, facts: dict, folder: Path, images: list[np.ndarray]) -> dict[str, Path]:
    """{engine: file}: onnxruntime, and where they are installed OpenVINO and OpenVINO in 8 bits.

    Args:
        images: (h, w, 3) uint8, to calibrate on.
    """
    files = {"onnxruntime": folder / "float.onnx"}
    export_onnx(deploy_graph(model), files["onnxruntime"], facts)
    try:
        network = convert_to_openvino(files["onnxruntime"])
        files["OpenVINO"] = folder / "float.xml"
        save_openvino(network, facts, files["OpenVINO"])
        network = quantise_openvino(network, [image[None] for image in images])
        files["OpenVINO int8"] = folder / "int8.xml"
        save_openvino(network, facts, files["OpenVINO int8"])
    except ImportError:
        pass  # timed is what there is
    return files
