"""A detector as a torch.export program: one .pt2 file, which torch and torchvision run without this package."""

import json

import torch
from torch import Tensor
from torchvision.ops import nms

from dense_det.atomic_file import atomic_file
from dense_det.deploy.export import trace
from dense_det.deploy.graph import DeployGraph
from dense_det.deploy.runtime import KEY, Detector
from dense_det.deploy.selection import above

EXTRA_FILE = f"{KEY}.json"  # within the .pt2


def export_program(graph: DeployGraph, path, facts: dict) -> None:
    """Write a graph of any height and width, with `facts` as its extra file dense_det.json.

    `import torchvision` comes before torch.export.load(path).module(check_guards=False), for its nms and roi_align. The
    guards are what torch noticed of the traced size, such as a width of 129 or more: narrower images are as right.
    """
    if graph.select is not above:
        graph.select = select_by_nms
    program = trace(graph)
    # torch.export takes every map for larger than 1 x 1, so images for larger than 32 pixels: these operators need not
    for symbol, limits in program.range_constraints.items():
        program.range_constraints[symbol] = type(limits)(min(limits.lower, 1), limits.upper)
    with atomic_file(path, "wb") as file:
        torch.export.save(program, file, extra_files={EXTRA_FILE: json.dumps(facts, ensure_ascii=False)})


class ProgramDetector(Detector):
    """A Detector that runs a .pt2 file by torch, whose threads serve one image."""

    most_at_once = 1


def _open_program(path, threads: int, at_once: int):
    extra = {EXTRA_FILE: ""}
    program = torch.export.load(path, extra_files=extra).module(check_guards=False)

    @torch.no_grad()
    def run(image) -> list:
        return [value.numpy() for value in program(torch.from_numpy(image))]

    return run, extra[EXTRA_FILE] or None


ProgramDetector.openers = {".pt2": _open_program}


def select_by_nms(
    boxes: Tensor, scores: Tensor, classes: Tensor, num_classes: int, threshold: float, nms_iou: float, most: int
) -> Tensor:
    """selection.select in operators that every torch with torchvision has: one suppression, the classes moved apart in
    64 bits, which leave the far ones their digits."""
    rows = (scores > threshold).nonzero()[:, 0]
    distance = (boxes.max() - boxes.min() + 1).double()
    apart = boxes[rows].double() + (classes[rows] * distance)[:, None]
    # torchvision tells torch.export that two boxes or more are left: two without an area, which suppress nothing
    two = apart.new_zeros(2, 4)
    kept = nms(torch.cat([apart, two]), torch.cat([scores[rows].double(), two[:, 0] - 1]), nms_iou)
    return rows[kept[kept < rows.shape[0]][:most]]
