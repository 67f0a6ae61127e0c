"""How big a model is and what it computes.

The counter is torch.utils.flop_counter's, halved: one multiply-add is one MAC. Convolutions (plain, grouped,
transposed, deformable), linear layers and matrix products are counted; norms, activations, pools, additions and biases
are not, nor are a detector's anchors and suppression.
"""

from torch import nn

from dense_det.analysis.layer_costs import Cost, layer_costs
from dense_det.analysis.network import PARTS, Network, image_without_data, is_detector, part_of


def count_parameters(module: nn.Module) -> int:
    """Learnable numbers of a module, frozen ones included; FrozenBN's are buffers, and not counted."""
    return sum(p.numel() for p in module.parameters())


def count_macs(model: nn.Module, size) -> int:
    """Multiply-adds of one image, counted on tensors without data: any model at any size takes a moment.

    Args:
        model: takes (1, 3, H, W), or is a detector of Detectron2's.
        size: (height, width) in pixels, or one number for both; a detector pads it to its size_divisibility.
    """
    return sum(macs_of_parts(model, size).values())


def macs_of_parts(model: nn.Module, size) -> dict[str, int]:
    """Multiply-adds of the PARTS that a detector has, see Network; of "model" for anything else."""
    if not is_detector(model):
        return {"model": layer_costs(model, image_without_data(model, size))[""].macs}
    return {part: cost.macs for part, cost in costs_of_parts(Network(model), image_without_data(model, size)).items()}


def costs_of_parts(network: Network, image) -> dict[str, Cost]:
    """The cost of each part that the network has, in the order of PARTS."""
    return sums_of_parts(network, layer_costs(network, image))


def sums_of_parts(network: Network, costs: dict[str, Cost]) -> dict[str, Cost]:
    """Costs of modules, as layer_costs gives them, summed up by part."""
    whole = costs.get("backbone", Cost())
    bottom_up = costs.get("backbone.bottom_up", Cost()) if hasattr(network.backbone, "bottom_up") else whole
    sums = {"bottom_up": bottom_up}
    if hasattr(network.backbone, "bottom_up"):
        sums["fpn"] = whole - bottom_up
    return sums | {part: costs.get(part, Cost()) for part in PARTS if hasattr(network, part)}


def parameters_of_parts(network: Network) -> dict[str, int]:
    """Learnable numbers of each part that the network has; those that two parts share count in the first."""
    whole = not hasattr(network.backbone, "bottom_up")
    numbers = {}
    for name, parameter in network.named_parameters():
        part = "bottom_up" if whole and name.startswith("backbone.") else part_of(name)
        numbers[part] = numbers.get(part, 0) + parameter.numel()
    return {part: numbers[part] for part in PARTS if part in numbers}


def detector_row(name: str, model: nn.Module, size) -> dict:
    """One row of the table of models: parameters of the parts and in total, and GMACs at `size`.

    Args:
        model: a detector of Detectron2's.
    """
    network = Network(model)
    macs = macs_of_parts(model, size)
    return {
        "name": name,
        **{f"params_{part}": number for part, number in parameters_of_parts(network).items()},
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
