"""The layers of a detector in one module, in its parts, to count them on tensors without data."""

import torch
from torch import Tensor, nn

# part -> its title in a table
PARTS = {
    "bottom_up": "bottom-up",
    "fpn": "FPN",
    "head": "head",
    "semantic": "semantic",
    "boxes": "boxes",
    "masks": "masks",
    "keypoints": "keypoints",
}
# boxes whose masks (and keypoints) are counted: as many as CenterMask's configs keep
NUM_ROIS = 50
# proposals of a two-stage detector without a proposal network of its own: as many as Detectron2 keeps
NUM_PROPOSALS = 1000


class Network(nn.Module):
    """What of a detector of Detectron2's has weights: (1, 3, H, W) -> the pyramid and what each head gives, by part.

    Its children are `backbone` and the parts after the pyramid in PARTS. `head` is what reads the pyramid: a dense
    detector's, or a proposal network's. Heads for boxes see the proposals of a test image, those for masks and
    keypoints NUM_ROIS, and in training mode as many as are sampled of an image at most; where they lie, and so pooling,
    anchors and suppression, is no part of it. Layers that boxes and masks share (Detectron2's C4 networks) count as
    boxes.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.backbone = model.backbone
        proposals = getattr(model, "proposal_generator", None)
        head = head_of(model)
        if head is not None:
            self.head = head
            self.levels = list(model.head_in_features if hasattr(model, "head") else proposals.in_features)
        if getattr(model, "sem_seg_head", None) is not None:
            self.semantic = _Layers(model.sem_seg_head)
        num_proposals = proposals.post_nms_topk[False] if hasattr(proposals, "post_nms_topk") else NUM_PROPOSALS
        for name, region_head in _region_heads(getattr(model, "roi_heads", None), num_proposals).items():
            self.add_module(name, region_head)
        self.train(model.training)

    def forward(self, image: Tensor) -> dict:
        features = self.backbone(image)
        outputs = {"backbone": features}
        for name, part in self.named_children():
            if name == "head":
                outputs[name] = part([features[level] for level in self.levels])
            elif name != "backbone":
                outputs[name] = part(features)
        return outputs


def is_detector(model: nn.Module) -> bool:
    """Whether it is one of Detectron2's, which a Network takes apart; anything else is one module of its own."""
    return hasattr(model, "backbone") and any(
        hasattr(model, name) for name in ("head", "proposal_generator", "sem_seg_head")
    )


def dense_head_of(model: nn.Module) -> nn.Module | None:
    """The head of a dense detector: its own, or FCOS's as the proposal generator of another one; None without."""
    if hasattr(model, "head"):
        return model.head
    return getattr(getattr(model, "proposal_generator", None), "fcos_head", None)


def head_of(model: nn.Module) -> nn.Module | None:
    """What of a detector reads the pyramid: a dense head, or else a proposal network's; None without."""
    dense = dense_head_of(model)
    return getattr(getattr(model, "proposal_generator", None), "rpn_head", None) if dense is None else dense


def part_of(name: str) -> str:
    """The key of PARTS of a module of a Network by its dotted name: "backbone.bottom_up.stem" -> "bottom_up"."""
    first, _, rest = name.partition(".")
    if first != "backbone":
        return first
    return "bottom_up" if rest.split(".")[0] == "bottom_up" else "fpn"


class _Layers(nn.Module):
    """The `layers` of a head of Detectron2's, whose own forward wants more than tensors."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, x):
        return self.head.layers(x)


class _Regions(nn.Module):
    """`heads` on so many regions (R, C, S, S) of a level, in training on `num_samples`, one head after the other."""

    def __init__(self, level: str, pooler: nn.Module, num_regions: int, num_samples: int, **heads: nn.Module):
        super().__init__()
        size = getattr(pooler, "resolution", None) or pooler.output_size
        self.shape = (size, size) if isinstance(size, int) else tuple(size)
        self.level, self.num_regions, self.num_samples = level, num_regions, num_samples
        for name, head in heads.items():
            self.add_module(name, head)

    def forward(self, features: dict[str, Tensor]):
        level = features[self.level]
        count = self.num_samples if self.training else self.num_regions
        return self.run(level.new_empty(count, level.shape[1], *self.shape))


class _Boxes(_Regions):
    def run(self, rois: Tensor):
        if isinstance(self.box_head, nn.ModuleList):  # Cascade R-CNN: the stages of a cascade, one after the other
            return [predict(head(rois)) for head, predict in zip(self.box_head, self.box_predictor, strict=True)]
        return self.box_predictor(self.box_head(rois))


class _PooledBoxes(_Regions):
    def run(self, rois: Tensor):
        return self.box_predictor(self.res5(rois).mean(dim=[2, 3]))


class _Masks(_Regions):
    def run(self, rois: Tensor):
        if hasattr(self, "res5"):
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.training):  # learned for the boxes already
                rois = self.res5(rois)
        logits = self.mask_head.layers(rois)
        # the judge does not move the masks
        return self.maskiou_head(rois, logits[:, :1].detach()) if hasattr(self, "maskiou_head") else logits


class _Keypoints(_Regions):
    def run(self, rois: Tensor):
        return self.keypoint_head.layers(rois)


def _region_heads(roi_heads: nn.Module | None, num_proposals: int) -> dict[str, nn.Module]:
    """The parts "boxes", "masks" and "keypoints" of ROI heads, those that there are."""

    def given(name: str):
        return getattr(roi_heads, name, None)

    parts = {}
    if roi_heads is None:
        return parts
    num_samples = roi_heads.batch_size_per_image
    num_objects = int(num_samples * roi_heads.positive_fraction)
    if given("res5") is not None:  # Detectron2's C4 networks
        level, heads = roi_heads.in_features[0], {"res5": roi_heads.res5, "box_predictor": roi_heads.box_predictor}
        parts["boxes"] = _PooledBoxes(level, roi_heads.pooler, num_proposals, num_samples, **heads)
    elif given("box_head") is not None:
        parts["boxes"] = _Boxes(
            roi_heads.box_in_features[0],
            roi_heads.box_pooler,
            num_proposals,
            num_samples,
            box_head=roi_heads.box_head,
            box_predictor=roi_heads.box_predictor,
        )
    if given("mask_head") is not None:
        names = ("mask_head", "maskiou_head") if given("res5") is None else ("res5", "mask_head")
        heads = {name: given(name) for name in names if given(name) is not None}
        level = (given("mask_in_features") or roi_heads.in_features)[0]
        parts["masks"] = _Masks(level, given("mask_pooler") or roi_heads.pooler, NUM_ROIS, num_objects, **heads)
    if given("keypoint_head") is not None:
        level, pooler = roi_heads.keypoint_in_features[0], roi_heads.keypoint_pooler
        parts["keypoints"] = _Keypoints(level, pooler, NUM_ROIS, num_objects, keypoint_head=roi_heads.keypoint_head)
    return parts


def image_without_data(model: nn.Module, size, num_images: int = 1) -> Tensor:
    """A meta tensor (N, 3, H, W) of `size`, (height, width) or one number, padded as a detector pads it."""
    height, width = (size, size) if isinstance(size, int) else size
    step = max(model.backbone.size_divisibility, 1) if is_detector(model) else 1
    return torch.empty(num_images, 3, -(-height // step) * step, -(-width // step) * step, device="meta")
