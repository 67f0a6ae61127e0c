"""The training losses on a validation set."""

import torch
from detectron2.utils import comm


@torch.no_grad()
def validation_losses(model: torch.nn.Module, loader) -> dict[str, float]:
    """{"val_total_loss": ..., "val_loss_cls": ...}: means over all images of all processes.

    Args:
        model: a detector with `validation_losses(batch) -> dict of losses`; another gives {}.
        loader: batches of one image with "instances"; every process has its share.
    """
    if not hasattr(model, "validation_losses"):
        return {}
    model.eval()
    sums: dict[str, float] = {}
    count = 0
    for batch in loader:
        for name, loss in model.validation_losses(batch).items():
            sums[name] = sums.get(name, 0.0) + float(loss) * len(batch)
        count += len(batch)
    shares = comm.all_gather((sums, count))
    total = sum(count for _, count in shares)
    if not total:
        return {}
    names = sorted({name for sums, _ in shares for name in sums})
    means = {f"val_{name}": sum(sums.get(name, 0.0) for sums, _ in shares) / total for name in names}
    return {"val_total_loss": sum(means.values()), **means}
