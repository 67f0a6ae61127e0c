"""Threshold, suppression within each class, and the best of all: one operator for torch and for ONNX; or the threshold
alone."""

import torch
from detectron2.layers import batched_nms
from torch import Tensor


@torch.library.custom_op("dense_det::select", mutates_args=())
def select(
    boxes: Tensor, scores: Tensor, classes: Tensor, num_classes: int, threshold: float, nms_iou: float, most: int
) -> Tensor:
    """The rows (R,) int64 of boxes to keep, by falling score.

    An operator of its own, because torch.export cannot trace sizes that depend on data through Detectron2's.

    Args:
        boxes: (N, 4) xyxy.
        scores, classes: (N,); classes in 0 ... num_classes - 1.
        threshold: scores have to be above it.
        nms_iou: of two boxes of a class that overlap by more, the lower is suppressed.
        most: R is at most this.
    """
    rows = (scores > threshold).nonzero()[:, 0]
    return rows[batched_nms(boxes[rows], scores[rows], classes[rows], nms_iou)[:most]]


@select.register_fake
def _(boxes, scores, classes, num_classes, threshold, nms_iou, most):
    return classes.new_empty(torch.library.get_ctx().new_dynamic_size())


def above(boxes: Tensor, scores: Tensor, classes: Tensor, num_classes: int, threshold: float, *_) -> Tensor:
    """As select, but without suppression, and all of them."""
    rows = scores.argsort(descending=True)
    return rows[(scores[rows] > threshold).nonzero()[:, 0]]


def onnx_translations() -> dict:
    """For torch.onnx.export: how `select` is written in ONNX."""
    from onnxscript import opset18 as op

    def select_onnx(boxes, scores, classes, num_classes, threshold, nms_iou, most):
        # a row of scores for each class, with -1 for boxes of the others: exact, where the usual trick of moving the
        # classes apart costs the far ones their digits
        every_class = op.Constant(value_ints=list(range(num_classes)))
        of_class = op.Equal(op.Unsqueeze(every_class, [1]), op.Unsqueeze(classes, [0]))
        table = op.Where(of_class, op.Unsqueeze(scores, [0]), op.Constant(value_float=-1.0))
        limits = [op.Constant(value_ints=[most]), *(op.Constant(value_floats=[x]) for x in (nms_iou, threshold))]
        found = op.NonMaxSuppression(op.Unsqueeze(boxes, [0]), op.Unsqueeze(table, [0]), *limits)
        rows = op.Gather(found, op.Constant(value_int=2), axis=1)
        count = op.Min(op.Shape(rows), op.Constant(value_ints=[most]))
        _, order = op.TopK(op.Gather(scores, rows), count)
        return op.Gather(rows, order)

    return {torch.ops.dense_det.select.default: select_onnx}
