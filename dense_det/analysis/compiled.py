"""torch.compile of what it can take whole: bottom-up and heads."""

import torch
from torch import nn

from dense_det.analysis.part_latency import Subject


def compile_parts(model: nn.Module) -> None:
    """Compile the bottom-up and the head of a detector, in place; the pyramid between them stays eager, so that the
    parts can still be told apart, and so do anchors and suppression."""
    parts = [getattr(model.backbone, "bottom_up", model.backbone)]
    if hasattr(model, "head"):
        parts.append(model.head)
    elif hasattr(getattr(model, "proposal_generator", None), "rpn_head"):
        parts.append(model.proposal_generator.rpn_head)
    for part in parts:
        part.forward = torch.compile(part.forward)


def compile_subject(subject: Subject, device, batch: int) -> None:
    """Compile the parts of a subject's detector for its precision and batches of so many images: a round that nobody
    times."""
    compile_parts(subject.model)
    subject.round(device, batch)
