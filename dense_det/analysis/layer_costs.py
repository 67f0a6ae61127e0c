"""What each module of a network computes and moves, counted on tensors without data.

Of convolutions (plain, grouped, transposed, deformable), linear layers and matrix products, the two last as 1x1
convolutions:

- macs: multiply-adds, by the formulas of torch.utils.flop_counter, halved;
- activations: numbers that they give (arXiv 2003.13678, section 3);
- memory_access: numbers read and written, h w (c_in + c_out) + weights (MAC of ShuffleNetV2, arXiv 1807.11164, eq. 1);
- conv_io: the same without the weights (CIO of HarDNet, arXiv 1909.00948, used by CSPNet, arXiv 1911.11929).

Of everything, norms, activations, pools, sums and concatenations included:

- traffic: numbers read and written when each operation runs alone, as eager torch does; views move nothing.
"""

from dataclasses import dataclass, fields
from math import prod

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

aten = torch.ops.aten


@dataclass
class Cost:
    """Numbers (not bytes) and operations, see above; costs add up."""

    macs: int = 0
    activations: int = 0
    memory_access: int = 0
    conv_io: int = 0
    traffic: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, field.name) - getattr(other, field.name) for field in fields(self)))


def layer_costs(network: nn.Module, inputs) -> dict[str, Cost]:
    """Cost of `network(inputs)` in evaluation mode of each module that costs any, by its dotted name; "" is the whole.

    A module that runs several times, as a head on the levels of a pyramid, has the sum. The network stays as it is.
    """
    counter = _Counter()
    run_without_data(network, inputs, counter)
    totals = {"": Cost()}
    for name, cost in counter.costs.items():
        # the tracker begins with the class of the whole
        words = name.split(".")[1:]
        for depth in range(len(words) + 1):
            prefix = ".".join(words[:depth])
            totals[prefix] = totals.get(prefix, Cost()) + cost
    return totals


def run_without_data(module: nn.Module, inputs, counter):
    """`module(inputs)` in evaluation mode, on meta tensors, under the eyes of `counter`; the module stays as it is."""
    states = {name: tensor.to("meta") for name, tensor in [*module.named_parameters(), *module.named_buffers()]}
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), counter:
            return torch.func.functional_call(module, states, (inputs,))
    finally:
        module.train(training)


def deformable_flops(_x_shape, weight_shape, *_args, out_shape=None, **_kwargs) -> int:
    """FLOPs of torchvision's deformable convolution: one product per weight of a filter and output value, as in a
    plain one; sampling is not counted."""
    return 2 * prod(out_shape) * prod(weight_shape[1:])


class _Counter(TorchDispatchMode):
    """Gives every operation to the innermost module that runs it."""

    def __init__(self):
        super().__init__()
        self.costs: dict[str, Cost] = {}
        self._tracker = ModuleTracker()

    def __enter__(self):
        self._tracker.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._tracker.__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        cost = _cost(func, args, kwargs, out)
        if cost is not None:
            running = [name for name in self._tracker.parents if name != "Global"]
            name = max(running, key=lambda name: name.count("."), default="")
            self.costs[name] = self.costs.get(name, Cost()) + cost
        return out


# allocations: nothing is read or written yet
_ALLOCATIONS = {aten.empty, aten.new_empty, aten.empty_like, aten.empty_strided, aten.detach}


def _cost(func, args, kwargs, out) -> Cost | None:
    operation = func.overloadpacket
    if func.is_view or operation in _ALLOCATIONS:
        return None
    read, written = _sizes(args), _sizes(out)
    cost = Cost(traffic=sum(read) + sum(written))
    if operation is torch.ops.torchvision.deform_conv2d:
        flops = deformable_flops(args[0].shape, args[1].shape, out_shape=out.shape)
        x, weight = args[0].numel(), args[1].numel()
    elif operation in flop_registry:
        flops = flop_registry[operation](*args, **kwargs, out_val=out)
        # the bias comes first in these, and is no part of the papers' counts
        first = 1 if operation in (aten.addmm, aten.baddbmm) else 0
        x, weight = args[first].numel(), args[first + 1].numel()
    else:
        return cost
    given = sum(written)
    cost.macs, cost.activations = flops // 2, given
    cost.memory_access, cost.conv_io = x + given + weight, x + given
    return cost


def _sizes(values) -> list[int]:
    """Numbers of each tensor among arguments or results, in lists, too."""
    if isinstance(values, torch.Tensor):
        return [values.numel()]
    return [size for value in values for size in _sizes(value)] if isinstance(values, (list, tuple)) else []
