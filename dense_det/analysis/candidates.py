"""A score threshold for a network with random weights, so that its suppression has as much to do as a trained one's."""

from dataclasses import replace

import torch
from torch import nn

from dense_det.analysis.network import dense_head_of

NUM_CANDIDATES = 1000


def give_candidates(model: nn.Module, records: list[dict], count: int = NUM_CANDIDATES) -> int | None:
    """Set the score threshold of a dense detector such that `count` scores an image of `records` are above it.

    The scores are what the threshold is compared with: of classes, or with MODEL.FCOS.THRESH_WITH_CTR times quality.

    Random weights behind frozen batch norms, as in Detectron2's zoo, may give more scores of exactly one than that, and
    none is above one: then those of the last convolution are divided such that its answers have a spread of one.

    Returns:
        int | None: how many; None for other detectors, whose proposals are always as many.
    """
    head = dense_head_of(model)
    if head is None:
        return None
    logits, scores = _answers(model, head, records)
    rank = min(count * len(records), len(scores))
    if logits.sigmoid().topk(rank).values[-1] == 1:
        last = head.cls_score if hasattr(head, "cls_score") else head.cls_logits
        with torch.no_grad():
            last.weight /= logits.std().item()
        _, scores = _answers(model, head, records)
    ranked = torch.cat([scores.topk(min(rank + 1, len(scores))).values, scores.new_zeros(1)])
    threshold = ranked[rank - 1 : rank + 1].mean().item()  # between two scores: what rounding moves stays where it is
    set_threshold(model, threshold)
    return rank // len(records)


def _answers(model: nn.Module, head: nn.Module, records: list[dict]) -> tuple[torch.Tensor, torch.Tensor]:
    """(L,), (L,) float32: the head's logits of classes, of all images and levels, and what the threshold is for."""
    seen = []
    # copies: Detectron2 makes probabilities of them in place
    hook = head.register_forward_hook(
        lambda *args: seen.append([[level.float().clone() for level in kind] for kind in args[-1]])
    )
    try:
        with torch.inference_mode():
            model(records)
    finally:
        hook.remove()
    logits, *_, qualities = seen[0]
    scores = [level.sigmoid() for level in logits]
    if not hasattr(model, "test_score_thresh") and model.proposal_generator.test_selection.with_quality:
        # (N, K, H, W) x (N, 1, H, W)
        scores = [level * quality.sigmoid() for level, quality in zip(scores, qualities, strict=True)]
    logits, scores = (torch.cat([level.flatten() for level in levels]) for levels in (logits, scores))
    return logits, scores


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
