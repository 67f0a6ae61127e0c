"""How big a model is and what it computes.

The counter is torch.utils.flop_counter.FlopCounterMode, halved: one multiply-add is one MAC. Convolutions (plain,
grouped, transposed, deformable), linear layers and matrix products are counted; norms, activations, pools, additions
and biases are not, nor are a detector's anchors and suppression.
"""

from math import prod

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Learnable numbers of a module, frozen ones included; FrozenBN's are buffers, and not counted."""
    return sum(p.numel() for p in module.parameters())


def count_macs(model: nn.Module, size) -> int:
    """Multiply-adds of one image, counted on tensors without data: any model at any size takes a moment.

    Args:
        model: takes (1, 3, H, W), or is a dense detector of Detectron2's (a `backbone` and a `head`).
        size: (height, width) in pixels, or one number for both; a detector pads it to its size_divisibility.
    """
    return sum(macs_of_parts(model, size).values())


def macs_of_parts(model: nn.Module, size) -> dict[str, int]:
    """Multiply-adds of "bottom_up", "fpn" and "head" of a dense detector; of "model" for anything else."""
    image = image_without_data(model, size)
    if not is_dense_detector(model):
        return {"model": _count(model, image)[0]}
    bottom_up = getattr(model.backbone, "bottom_up", model.backbone)
    bottom_up_macs, _ = _count(bottom_up, image)
    backbone_macs, features = _count(model.backbone, image)
    head_macs, _ = _count(model.head, [features[f] for f in model.head_in_features])
    return {"bottom_up": bottom_up_macs, "fpn": backbone_macs - bottom_up_macs, "head": head_macs}


def detector_row(name: str, model: nn.Module, size) -> dict:
    """One row of the table of models: parameters of the parts and in total, and GMACs at `size`.

    Args:
        model: a dense detector of Detectron2's over a pyramid.
    """
    macs = macs_of_parts(model, size)
    bottom_up = count_parameters(model.backbone.bottom_up)
    return {
        "name": name,
        "params_bottom_up": bottom_up,
        "params_fpn": count_parameters(model.backbone) - bottom_up,
        "params_head": count_parameters(model.head),
        "params": count_parameters(model),
        "gmacs_bottom_up": macs["bottom_up"] / 1e9,
        "gmacs_fpn": macs["fpn"] / 1e9,
        "gmacs_head": macs["head"] / 1e9,
        "gmacs": sum(macs.values()) / 1e9,
    }


def markdown_table(rows: list[dict]) -> str:
    """Rows of `detector_row` as a Markdown table: parameters in millions."""
    lines = [
        "| model | bottom-up, M | FPN, M | head, M | total, M | bottom-up, GMACs | FPN | head | total |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        params = [f"{value / 1e6:.2f}" for key, value in row.items() if key.startswith("params")]
        gmacs = [f"{value:.2f}" for key, value in row.items() if key.startswith("gmacs")]
        lines.append("| " + " | ".join([row["name"], *params, *gmacs]) + " |")
    return "\n".join(lines)


def is_dense_detector(model: nn.Module) -> bool:
    return hasattr(model, "backbone") and hasattr(model, "head")


def image_without_data(model: nn.Module, size) -> torch.Tensor:
    """A meta tensor (1, 3, H, W) of `size`, padded as a dense detector pads it."""
    height, width = (size, size) if isinstance(size, int) else size
    step = max(model.backbone.size_divisibility, 1) if is_dense_detector(model) else 1
    return torch.empty(1, 3, -(-height // step) * step, -(-width // step) * step, device="meta")


def run_without_data(module: nn.Module, inputs, counter: FlopCounterMode):
    """`module(inputs)` in evaluation mode, on meta tensors, under the eyes of `counter`; the module stays as it is."""
    states = {name: tensor.to("meta") for name, tensor in [*module.named_parameters(), *module.named_buffers()]}
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), counter:
            return torch.func.functional_call(module, states, (inputs,))
    finally:
        module.train(training)


def _count(module: nn.Module, inputs) -> tuple[int, object]:
    """(multiply-adds, outputs) of `module(inputs)`."""
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.torchvision.deform_conv2d: _deform_conv_flops})
    outputs = run_without_data(module, inputs, counter)
    return counter.get_total_flops() // 2, outputs


def _deform_conv_flops(_x_shape, weight_shape, *_args, out_shape=None, **_kwargs) -> int:
    # one product per weight of a filter and output value, as in a plain convolution; sampling is not counted
    return 2 * prod(out_shape) * prod(weight_shape[1:])
