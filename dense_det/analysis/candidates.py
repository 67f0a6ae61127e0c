"""A score threshold for a network with random weights, so that its suppression has as much to do as a trained one's."""

from dataclasses import replace

import torch
from torch import nn

from dense_det.analysis.network import dense_head_of

NUM_CANDIDATES = 1000


def give_candidates(model: nn.Module, records: list[dict], count: int = NUM_CANDIDATES) -> int | None:
    """Set the score threshold of a dense detector such that `count` scores an image of `records` are above it.

    Random weights behind frozen batch norms, as in Detectron2's zoo, may give more scores of exactly one than that, and
    none is above one: then those of the last convolution are divided such that its answers have a spread of one.

    Returns:
        int | None: how many; None for other detectors, whose proposals are always as many.
    """
    head = dense_head_of(model)
    if head is None:
        return None
    logits = _logits(model, head, records)
    rank = min(count * len(records), len(logits))
    if logits.sigmoid().topk(rank).values[-1] == 1:
        last = head.cls_score if hasattr(head, "cls_score") else head.cls_logits
        with torch.no_grad():
            last.weight /= logits.std().item()
        logits = _logits(model, head, records)
    ranked = torch.cat([logits.sigmoid().topk(min(rank + 1, len(logits))).values, logits.new_zeros(1)])
    threshold = ranked[rank - 1 : rank + 1].mean().item()  # between two scores: what rounding moves stays where it is
    set_threshold(model, threshold)
    return rank // len(records)


def _logits(model: nn.Module, head: nn.Module, records: list[dict]) -> torch.Tensor:
    """(L,) float32: all that the head says of classes, of all images and levels."""
    seen = []
    # copies: Detectron2 makes probabilities of them in place
    hook = head.register_forward_hook(lambda *args: seen.append([logits.clone() for logits in args[-1][0]]))
    try:
        with torch.inference_mode():
            model(records)
    finally:
        hook.remove()
    return torch.cat([logits.flatten().float() for logits in seen[0]])


def threshold_of(model: nn.Module) -> float:
    """The score that a box of a dense detector needs to go into suppression."""
    if hasattr(model, "test_score_thresh"):
        return model.test_score_thresh
    return model.proposal_generator.test_selection.threshold


def set_threshold(model: nn.Module, threshold: float) -> None:
    """Let boxes of a dense detector go into suppression from that score on."""
    if hasattr(model, "test_score_thresh"):
        model.test_score_thresh = threshold
    else:
        generator = model.proposal_generator
        generator.test_selection = replace(generator.test_selection, threshold=threshold)
