"""How big a model is and what it computes.

The counter is torch.utils.flop_counter.FlopCounterMode, halved: one multiply-add is one MAC. Convolutions (plain,
grouped, transposed, deformable), linear layers and matrix products are counted; norms, activations, pools, additions
and biases are not, nor are a detector's anchors and suppression.
"""

from math import prod

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

# part -> its title in a table
PARTS = {"bottom_up": "bottom-up", "fpn": "FPN", "head": "head", "masks": "masks"}
# boxes whose masks are counted: as many as CenterMask's configs keep
NUM_ROIS = 50


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
    """Multiply-adds of "bottom_up", "fpn" and "head" of a dense detector, and of the "masks" of NUM_ROIS boxes where it
    has any; of "model" for anything else.
    """
    image = image_without_data(model, size)
    if not is_dense_detector(model):
        return {"model": _count(model, image)[0]}
    bottom_up = getattr(model.backbone, "bottom_up", model.backbone)
    bottom_up_macs, _ = _count(bottom_up, image)
    backbone_macs, features = _count(model.backbone, image)
    head_macs, _ = _count(model.head, [features[f] for f in model.head_in_features])
    macs = {"bottom_up": bottom_up_macs, "fpn": backbone_macs - bottom_up_macs, "head": head_macs}
    if mask_heads(model):
        levels, size = model.roi_heads.in_features, model.roi_heads.mask_pooler.resolution
        rois = features[levels[0]].new_empty(NUM_ROIS, features[levels[0]].shape[1], size, size)
        macs["masks"] = _count(_Masks(**mask_heads(model)), rois)[0]
    return macs


def detector_row(name: str, model: nn.Module, size) -> dict:
    """One row of the table of models: parameters of the parts and in total, and GMACs at `size`.

    Args:
        model: a dense detector of Detectron2's over a pyramid.
    """
    macs = macs_of_parts(model, size)
    bottom_up = count_parameters(model.backbone.bottom_up)
    params = {
        "bottom_up": bottom_up,
        "fpn": count_parameters(model.backbone) - bottom_up,
        "head": count_parameters(model.head),
    }
    if "masks" in macs:
        params["masks"] = sum(count_parameters(head) for head in mask_heads(model).values())
    return {
        "name": name,
        **{f"params_{part}": number for part, number in params.items()},
        "params": count_parameters(model),
        **{f"gmacs_{part}": number / 1e9 for part, number in macs.items()},
        "gmacs": sum(macs.values()) / 1e9,
    }


def markdown_table(rows: list[dict]) -> str:
    """Rows of `detector_row` as a Markdown table: parameters in millions; a part that a detector lacks is "-"."""
    parts = [part for part in PARTS if any(f"params_{part}" in row for row in rows)]
    titles = [*(PARTS[part] for part in parts), "total"]
    header = ["model", *(f"{title}, M" for title in titles), f"{titles[0]}, GMACs", *titles[1:]]
    lines = [
        f"| {' | '.join(header)} |",
        "|---" * len(header) + "|",
    ]
    for row in rows:
        params = [row.get(key) for key in [*(f"params_{part}" for part in parts), "params"]]
        gmacs = [row.get(key) for key in [*(f"gmacs_{part}" for part in parts), "gmacs"]]
        cells = [None if number is None else number / 1e6 for number in params] + gmacs
        lines.append(
            "| " + " | ".join([row["name"], *("-" if cell is None else f"{cell:.2f}" for cell in cells)]) + " |"
        )
    return "\n".join(lines)


class _Masks(nn.Module):
    """The heads that give masks and judge them, on RoIs (R, C, S, S)."""

    def __init__(self, mask_head: nn.Module, maskiou_head: nn.Module | None = None):
        super().__init__()
        self.mask_head = mask_head
        self.maskiou_head = maskiou_head

    def forward(self, rois: torch.Tensor) -> torch.Tensor:
        logits = self.mask_head.layers(rois)
        return logits if self.maskiou_head is None else self.maskiou_head(rois, logits[:, :1])


def mask_heads(model: nn.Module) -> dict[str, nn.Module]:
    """ "mask_head" and "maskiou_head" of a dense detector, those that it has."""
    heads = {name: getattr(getattr(model, "roi_heads", None), name, None) for name in ("mask_head", "maskiou_head")}
    return {name: head for name, head in heads.items() if head is not None}


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
