"""A detector without training, and with every kind of file, to be timed."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from dense_det.deploy.export import convert_to_openvino, export_onnx, save_openvino
from dense_det.deploy.graph import deploy_graph
from dense_det.deploy.quantise import quantise_openvino

CANDIDATES = 1000


@torch.no_grad()
def scatter_scores(model: nn.Module, pixels: np.ndarray) -> None:
    """Shift a RetinaNet's logits such that CANDIDATES of them pass its threshold in (H, W, 3) uint8 pixels.

    Without training none would, and post-processing would cost nothing.
    """
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    features = model.backbone(model.preprocess_image([{"image": image}]).tensor)
    logits, _ = model.head([features[name] for name in model.head_in_features])
    logits = torch.cat([level.flatten() for level in logits])
    lowest = logits.topk(min(CANDIDATES, len(logits))).values[-1]
    model.head.cls_score.bias += torch.tensor(model.test_score_thresh).logit() - lowest


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
