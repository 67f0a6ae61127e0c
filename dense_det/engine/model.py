"""A model from a config: built, on its device, in the memory layout that is fast, with weights."""

import torch
from detectron2.modeling import build_model as build_detectron2_model

from dense_det.batch_norm import use_vectors
from dense_det.checkpoint import load_weights
from dense_det.depthwise import use_float32
from dense_det.group_norm import use_exact_group_norm
from dense_det.pointwise import use_onednn


def build_model(cfg) -> torch.nn.Module:
    """The config's network with its initial weights, in training mode, on MODEL.DEVICE."""
    model = build_detectron2_model(cfg)
    if torch.device(cfg.MODEL.DEVICE).type == "cpu":
        use_exact_group_norm(use_vectors(use_float32(use_onednn(model))))
    return model.to(memory_format=torch.channels_last) if cfg.MODEL.CHANNELS_LAST else model


def build_without_data(cfg) -> torch.nn.Module:
    """The config's network on "meta", with shapes only, so even V-99 takes no memory; in training mode."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        return build_detectron2_model(cfg)


def load_model(cfg) -> torch.nn.Module:
    """The config's network with the weights of MODEL.WEIGHTS, for inference.

    Raises:
        ValueError: no MODEL.WEIGHTS, or a file that does not fill the network.
    """
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("no weights to evaluate: give MODEL.WEIGHTS path/to/model_best.pth")
    model = build_model(cfg)
    load_weights(model, cfg.MODEL.WEIGHTS, cfg.MODEL.TRUST_PICKLE)
    return model.eval()
