"""Rows of what models cost: of whole models side by side, and of the modules of one."""

from torch import nn

from dense_det.aligned_table import aligned_table
from dense_det.analysis.complexity import costs_of_parts, count_parameters, detector_row, sums_of_parts
from dense_det.analysis.layer_costs import Cost, layer_costs
from dense_det.analysis.network import PARTS, Network, image_without_data
from dense_det.analysis.training_memory import training_bytes

# modules of a bottom-up that a figure tells apart; the rest of it is its stem
STAGES = ("stem", "stage2", "stage3", "stage4", "stage5")
# of torch's answer to a batch norm over one value
ONE_VALUE = "more than 1 value per channel"


def cost_row(name: str, model: nn.Module, size) -> dict:
    """All that counting tells of a detector at `size`, (height, width) in pixels: `detector_row`'s keys, and

    - activations, memory_access, conv_io, traffic: see layer_costs, of the whole, and traffic_<part>;
    - kept_mb: what one training image keeps for the backward pass, see training_bytes, in 10^6 bytes; None where a
      batch norm would get one value a channel, of which it cannot train;
    - stages: gmacs of STAGES and of the parts after the bottom-up.

    Args:
        model: a detector of Detectron2's on "meta".
    """
    network, image = Network(model), image_without_data(model, size)
    costs = layer_costs(network, image)
    whole, parts = costs[""], sums_of_parts(network, costs)
    return {
        **detector_row(name, model, size),
        "activations": whole.activations,
        "memory_access": whole.memory_access,
        "conv_io": whole.conv_io,
        "traffic": whole.traffic,
        **{f"traffic_{part}": cost.traffic for part, cost in parts.items()},
        "kept_mb": _kept_mb(model, network, image),
        "stages": {name: macs / 1e9 for name, macs in _macs_of_stages(network, costs).items()},
    }


def part_costs(model: nn.Module, size, num_images: int = 1) -> dict[str, float]:
    """Of a detector on "meta" at `size`, (height, width) in pixels: gmacs_<part>, and traffic_<part> in numbers; of
    all images of a batch, for which weights are read once. Regions are always those of one image."""
    network = Network(model)
    costs = costs_of_parts(network, image_without_data(model, size, num_images))
    gmacs = {f"gmacs_{part}": cost.macs / 1e9 for part, cost in costs.items()}
    return gmacs | {f"traffic_{part}": cost.traffic for part, cost in costs.items()}


def cost_table(rows: list[dict]) -> str:
    """Rows of `cost_row` side by side, in millions of numbers."""
    header = ["model", "params, M", "GMACs", "activations, M", "MAC, M", "CIO, M", "traffic, M", "kept in training, MB"]
    keys = ("activations", "memory_access", "conv_io", "traffic")
    cells = [
        [row["name"], row["params"] / 1e6, row["gmacs"], *(row[key] / 1e6 for key in keys), row["kept_mb"]]
        for row in rows
    ]
    return aligned_table(header, cells)


def module_rows(model: nn.Module, size, depth: int) -> list[dict]:
    """A row for each module down to `depth` dots below the detector that has parameters or costs, in running order.

    Returns:
        dicts of "name" ("" is the whole), "params", "macs", "share" of the multiply-adds in percent, and the other
        fields of layer_costs.Cost.
    """
    network = Network(model)
    costs = layer_costs(network, image_without_data(model, size))
    rows = []
    for name, module in network.named_modules():
        cost, params = costs.get(name, Cost()), count_parameters(module)
        if (name.count(".") < depth) and (params or cost.traffic):
            share = 100 * cost.macs / max(costs[""].macs, 1)
            rows.append({"name": name, "params": params, "share": share, **vars(cost)})
    return rows


def module_table(rows: list[dict]) -> str:
    """Rows of `module_rows`, indented by depth."""
    cells = [
        [
            "  " * (row["name"].count(".") + 1) + row["name"] if row["name"] else "the whole",
            row["params"] / 1e6,
            row["macs"] / 1e9,
            f"{row['share']:.1f}",
            *(row[key] / 1e6 for key in ("activations", "memory_access", "conv_io")),
        ]
        for row in rows
    ]
    return aligned_table(["module", "params, M", "GMACs", "%", "activations, M", "MAC, M", "CIO, M"], cells)


def _kept_mb(model: nn.Module, network: Network, image) -> float | None:
    training = network.training
    try:
        return training_bytes(model, network.train(), image) / 1e6
    except ValueError as error:
        if ONE_VALUE not in str(error):
            raise
        return None
    finally:
        network.train(training)


def _macs_of_stages(network: Network, costs: dict[str, Cost]) -> dict[str, int]:
    parts = sums_of_parts(network, costs)
    prefix = "backbone.bottom_up." if hasattr(network.backbone, "bottom_up") else "backbone."
    # Detectron2's own networks call stage2 "res2"
    stages = {
        stage: costs.get(prefix + stage, costs.get(prefix + stage.replace("stage", "res"), Cost())).macs
        for stage in STAGES
    }
    stages["stem"] += parts["bottom_up"].macs - sum(stages.values())
    return stages | {part: parts[part].macs for part in PARTS if part in parts and part != "bottom_up"}
