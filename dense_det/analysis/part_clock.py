"""For how long each part of a detector runs, read off while it detects."""

import time
from collections.abc import Callable

import torch
from torch import nn

from dense_det.analysis.network import head_of


class PartClock:
    """Times the parts of a detector of Detectron2's; a context manager, outside of which the model is as it was.

    At every moment the innermost part that runs is charged: "fpn" is the backbone without its bottom-up, "boxes" are
    the ROI heads without their masks. Before the backbone it is "prepare" (normalise, pad, batch), after it what no
    part does is "post" (anchors, thresholds, suppression, boxes at the output's size). The parts add up to the whole.

    Args:
        device: of the model. On a GPU events are recorded on its stream and read once all is done, so that
            measuring makes nothing wait.
    """

    def __init__(self, model: nn.Module, device):
        self._labels = _labels(model)
        self._device = torch.device(device)
        self._on_gpu = self._device.type == "cuda"
        self._hooks = []
        self._running: list[str] = []
        self._marks: list[tuple[str, object]] = []

    def __enter__(self):
        for module, label in self._labels:
            self._hooks.append(module.register_forward_pre_hook(lambda *_, label=label: self._enter(label)))
            self._hooks.append(module.register_forward_hook(lambda *_: self._leave()))
        return self

    def __exit__(self, *error):
        while self._hooks:
            self._hooks.pop().remove()

    def milliseconds(self, call: Callable[[], object]) -> dict[str, float]:
        """Milliseconds of each part while `call` runs the model once, in the order in which they first run."""
        self._running, self._marks = ["prepare"], []
        if self._on_gpu:
            torch.cuda.synchronize(self._device)
        self._mark()
        call()
        end = self._now()
        if self._on_gpu:
            torch.cuda.synchronize(self._device)
        times: dict[str, float] = {}
        stamps = [stamp for _, stamp in self._marks[1:]] + [end]
        for (label, start), stop in zip(self._marks, stamps, strict=True):
            passed = start.elapsed_time(stop) if self._on_gpu else 1000 * (stop - start)
            times[label] = times.get(label, 0.0) + passed
        return times

    def _enter(self, label: str) -> None:
        self._running[0] = "post"  # what is charged when all parts are left
        self._running.append(label)
        self._mark()

    def _leave(self) -> None:
        self._running.pop()
        self._mark()

    def _mark(self) -> None:
        self._marks.append((self._running[-1], self._now()))

    def _now(self):
        if not self._on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event


def milliseconds(call: Callable[[], object], device) -> float:
    """How long `call` takes, work that it leaves to a GPU included."""
    return sum(PartClock(_Nothing(), device).milliseconds(call).values())


class _Nothing(nn.Module):
    """A model without parts."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Identity()


def _labels(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """(module, part) of those modules of a detector that Detectron2 calls as modules."""
    backbone, rois = model.backbone, getattr(model, "roi_heads", None)
    bottom_up = getattr(backbone, "bottom_up", None)
    has_boxes = hasattr(rois, "box_head") or hasattr(rois, "res5")
    has_masks = getattr(rois, "mask_head", None) is not None
    labels = [
        (backbone, "fpn" if bottom_up is not None else "bottom_up"),
        (bottom_up, "bottom_up"),
        (head_of(model), "head"),
        (getattr(model, "sem_seg_head", None), "semantic"),
        (rois if has_boxes or has_masks else None, "boxes" if has_boxes else "masks"),
        (getattr(rois, "mask_head", None), "masks"),
        (getattr(rois, "keypoint_head", None), "keypoints"),
    ]
    return [(module, label) for module, label in labels if module is not None]
