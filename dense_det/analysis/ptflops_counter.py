"""What every layer of a model costs by the rules of ptflops, in which tables of light nets are printed.

A multiply-add and a bias addition of a convolution or linear layer are one operation each, ReLU and its kin are one
per value, pools one per value that comes in, upsampling one per value that goes out, and a batch norm two per value.
Of a deformable convolution the multiply-adds are counted: not how it reads between pixels, nor a bias, for torchvision
hands over one of zeros where there is none. Group and layer norms, sigmoids, additions and maxima are not counted.

The count of complexity.py is of the multiply-adds alone: name the counter wherever you print a number.
"""

from math import prod

import torch
import torchvision  # noqa: F401  registers its operators
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dense_det.analysis.layer_costs import run_without_data
from dense_det.analysis.network import image_without_data

aten = torch.ops.aten


def count_operations(model: nn.Module, size) -> dict[str, int]:
    """Operations on one image of each module that costs any, by its dotted name; "" is the whole.

    A module that runs on several pyramid levels has the sum of them. A dense detector's anchors and suppression are
    no part of it. Works on tensors without data, and leaves the model as it is.

    Args:
        model: takes (1, 3, H, W), or is a dense detector of Detectron2's (a `backbone` and a `head`).
        size: (height, width) in pixels, or one number for both; a detector pads it to its size_divisibility.
    """
    network = _Network(model) if hasattr(model, "head") else model
    # the counter takes apart what is not named with its overload, and counts what is named without
    overloads = {getattr(op, name): rule for op, rule in RULES.items() for name in op.overloads()}
    counter = FlopCounterMode(display=False, custom_mapping={**RULES, **overloads})
    run_without_data(network, image_without_data(model, size), counter)
    # "Global" is the counter's total, and the first word of the other names the class of the whole
    totals = {name.partition(".")[2]: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    return {"": counter.get_total_flops(), **totals}


class _Network(nn.Module):
    """The layers of a dense detector."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.backbone, self.head, self.levels = model.backbone, model.head, model.head_in_features
        self.train(model.training)

    def forward(self, x: torch.Tensor):
        features = self.backbone(x)
        return self.head([features[level] for level in self.levels])


def _convolution(x, weight, bias, _stride, _padding, _dilation, transposed, *_args, out_shape, **_kwargs) -> int:
    multiply_adds = prod(weight[1:]) * prod(x if transposed else out_shape)
    return multiply_adds + (prod(out_shape) if bias else 0)


def _deformable_convolution(_x, weight, *_args, out_shape, **_kwargs) -> int:
    return prod(weight[1:]) * prod(out_shape)


def _batch_norm(x, weight, *_args, **_kwargs) -> int:
    return prod(x) * (2 if weight else 1)


def _linear(x, _weight, *, out_shape, **_kwargs) -> int:
    return prod(out_shape) * x[-1]


def _linear_with_bias(_bias, x, _weight, *, out_shape, **_kwargs) -> int:
    return prod(out_shape) * (x[-1] + 1)


def _per_input(x, *_args, **_kwargs) -> int:
    return prod(x)


def _per_output(*_args, out_shape, **_kwargs) -> int:
    return prod(out_shape)


RULES = {
    aten.convolution: _convolution,
    torch.ops.torchvision.deform_conv2d: _deformable_convolution,
    aten.mm: _linear,
    aten.addmm: _linear_with_bias,
    **dict.fromkeys([aten.native_batch_norm, aten._native_batch_norm_legit_no_training], _batch_norm),
    **dict.fromkeys([aten.relu, aten.relu_, aten.hardtanh, aten.hardtanh_], _per_input),
    **dict.fromkeys([aten.leaky_relu, aten.leaky_relu_, aten.elu, aten.elu_], _per_input),
    **dict.fromkeys([aten.max_pool2d_with_indices, aten.avg_pool2d, aten._adaptive_avg_pool2d, aten.mean], _per_input),
    **dict.fromkeys([aten.upsample_nearest2d, aten.upsample_bilinear2d], _per_output),
}
