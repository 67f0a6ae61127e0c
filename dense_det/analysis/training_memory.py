"""What a training step of a detector keeps from its forward to its backward pass, counted on tensors without data."""

import copy
from collections.abc import Callable

import torch
from detectron2.modeling.meta_arch.retinanet import RetinaNet
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from dense_det.analysis.memory import kept_bytes, saved_bytes
from dense_det.analysis.network import Network


def training_bytes(model: nn.Module, network: Network, image: Tensor) -> int:
    """Bytes that a detector's network, and the losses of its dense and semantic heads, keep of one training image.

    The image has no objects: they would add the losses of the few boxes that match them. The losses of ROI heads and
    of a proposal network judge a few hundred samples, and are not included.

    Args:
        model: on "meta"; it keeps its state.
        network: of the model, in training mode.
        image: see network.image_without_data.
    """
    with torch.no_grad():
        outputs = network(image)
    losses = 0
    if isinstance(model, RetinaNet):
        losses += _retinanet_loss_bytes(model, outputs["head"])
    elif hasattr(getattr(model, "proposal_generator", None), "fcos_head"):
        losses += _fcos_loss_bytes(model.proposal_generator, outputs["head"])
    if "semantic" in outputs:
        losses += _semantic_loss_bytes(model.sem_seg_head, outputs["semantic"])
    return saved_bytes(network, image) + losses


def _retinanet_loss_bytes(model: RetinaNet, outputs) -> int:
    """Args:
    outputs: of the head, logits (1, A K, H, W) and deltas (1, A 4, H, W) of each level.
    """
    num_classes = model.num_classes
    # losses look for objects, which needs data: a copy, whose weights nobody reads
    losing = copy.deepcopy(model)
    losing.backbone = losing.head = None
    losing.to_empty(device="cpu")

    def kept(num_anchors: int) -> int:
        anchors = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(num_anchors, 1)
        logits, deltas = (torch.zeros(1, num_anchors, count, requires_grad=True) for count in (num_classes, 4))
        labels = torch.full((num_anchors,), num_classes)  # background
        with EventStorage():
            return kept_bytes(lambda: losing.losses([Boxes(anchors)], [logits], [labels], [deltas], [anchors]))

    return _of_many(kept, sum(deltas.numel() // 4 for deltas in outputs[1]))


def _fcos_loss_bytes(generator: nn.Module, outputs) -> int:
    """Args:
    outputs: of the head, (1, C, H, W) of each kind and level.
    """
    nothing = Instances((1, 1), gt_boxes=Boxes(torch.zeros(0, 4)), gt_classes=torch.zeros(0, dtype=torch.int64))
    num_others = len(outputs[0]) - 1

    def kept(num_places: int) -> int:
        widths = [num_places] + [1] * num_others  # of the levels
        answers = [
            [torch.zeros(1, x.shape[1], 1, width, requires_grad=True) for x, width in zip(kind, widths, strict=True)]
            for kind in outputs
        ]
        return kept_bytes(lambda: generator.losses(answers, [nothing]))

    return _of_many(kept, sum(level[0, 0].numel() for level in outputs[0]) - num_others)


def _semantic_loss_bytes(head: nn.Module, logits: Tensor) -> int:
    logits = logits.detach().requires_grad_()
    height, width = (side * head.common_stride for side in logits.shape[-2:])
    classes = torch.empty(1, height, width, dtype=torch.int64, device=logits.device)
    return kept_bytes(lambda: head.losses(logits, classes), [classes])


def _of_many(kept: Callable[[int], int], count: int) -> int:
    """`kept(count)`, of losses that keep as much of each place as of any other; no memory for so many is needed."""
    one, two = kept(1), kept(2)
    return one + (two - one) * (count - 1)
