"""What happens to FCOS's boxes: masks, and scores for the masks."""

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, ROIHeads, build_mask_head, select_foreground_proposals
from detectron2.modeling.roi_heads.mask_head import mask_rcnn_inference
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from dense_det.centermask.mask_targets import crop_masks, mask_areas, mask_iou
from dense_det.centermask.maskiou_head import MaskIoUHead
from dense_det.centermask.pooler import AdaptivePooler
from dense_det.suggest import unknown


@ROI_HEADS_REGISTRY.register()
class DenseDetCenterROIHeads(ROIHeads):
    """Masks and their scores for boxes that are final already (CenterMask, arXiv 1911.06667, figure 2).

    Without a mask head boxes pass as they are: FCOS alone.

    Args:
        in_features: levels that RoIs are taken from, finest first.
        mask_pooler: RoIs for both heads.
        mask_head: (R, C, S, S) -> (R, K or 1, 2 S, 2 S) logits by its `layers`; None for boxes alone.
        maskiou_head: see MaskIoUHead; None leaves masks with the score of their boxes.
        maskiou_loss_weight: of that head's loss.
        arguments: of ROIHeads.
    """

    @configurable
    def __init__(
        self,
        *,
        in_features: list[str],
        mask_pooler: AdaptivePooler | None,
        mask_head: nn.Module | None,
        maskiou_head: MaskIoUHead | None,
        maskiou_loss_weight: float,
        **arguments,
    ):
        super().__init__(**arguments)
        self.in_features = in_features
        self.mask_pooler = mask_pooler
        self.mask_head = mask_head
        self.maskiou_head = maskiou_head
        self.maskiou_loss_weight = maskiou_loss_weight

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        names, own = list(cfg.MODEL.ROI_HEADS.IN_FEATURES), cfg.MODEL.ROI_MASK_HEAD
        pooler = mask_head = maskiou_head = None
        if cfg.MODEL.MASK_ON:
            for name in names:
                if name not in input_shape:
                    raise ValueError(
                        f"MODEL.ROI_HEADS.IN_FEATURES: {unknown('output of the backbone', name, input_shape)}"
                    )
            channels, resolution = input_shape[names[0]].channels, own.POOLER_RESOLUTION
            pooler = AdaptivePooler(
                resolution=resolution,
                strides=[input_shape[name].stride for name in names],
                sampling_ratio=own.POOLER_SAMPLING_RATIO,
                criterion=own.ASSIGN_CRITERION,
            )
            mask_head = build_mask_head(cfg, ShapeSpec(channels=channels, height=resolution, width=resolution))
        if cfg.MODEL.MASK_ON and cfg.MODEL.MASKIOU_ON:
            maskiou_head = MaskIoUHead(
                in_channels=channels,
                resolution=resolution,
                num_classes=cfg.MODEL.ROI_HEADS.NUM_CLASSES,
                num_convs=cfg.MODEL.ROI_MASKIOU_HEAD.NUM_CONV,
                conv_dim=cfg.MODEL.ROI_MASKIOU_HEAD.CONV_DIM,
                fc_dim=cfg.MODEL.ROI_MASKIOU_HEAD.FC_DIM,
            )
        return super().from_config(cfg) | {
            "in_features": names,
            "mask_pooler": pooler,
            "mask_head": mask_head,
            "maskiou_head": maskiou_head,
            "maskiou_loss_weight": cfg.MODEL.MASKIOU_LOSS_WEIGHT,
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """As Detectron2's ROIHeads: boxes with masks, or in training the losses."""
        if self.training:
            return proposals, self.losses(features, proposals, targets)
        return self.forward_with_given_boxes(features, proposals), {}

    def forward_with_given_boxes(self, features: dict[str, Tensor], instances: list[Instances]) -> list[Instances]:
        """`instances` with pred_boxes and pred_classes, completed by pred_masks (R, 1, 2 S, 2 S), probabilities, and,
        where they have scores and there is a head for it, mask_scores (R,): box score times predicted IoU.
        """
        if self.mask_head is None:
            return instances
        pooled = self._pool(features, [x.pred_boxes for x in instances], [x.image_size for x in instances])
        mask_rcnn_inference(self.mask_head.layers(pooled), instances)
        if self.maskiou_head is not None and all(x.has("scores") for x in instances):
            masks = torch.cat([x.pred_masks for x in instances])
            quality = _of_class(self.maskiou_head(pooled, masks), torch.cat([x.pred_classes for x in instances]))
            for x, part in zip(instances, quality.split([len(x) for x in instances]), strict=True):
                x.mask_scores = x.scores * part
        return instances

    def losses(
        self, features: dict[str, Tensor], proposals: list[Instances], targets: list[Instances]
    ) -> dict[str, Tensor]:
        """loss_mask and loss_maskiou of a sample of the proposals that lie on objects with masks.

        Both are 0, and keep their gradient, in a batch without such objects.
        """
        if self.mask_head is None:
            return {}
        samples = self._sample(proposals, targets)
        sizes = [x.image_size for x in targets]
        boxes = [x.proposal_boxes for x in samples]
        pooled = self._pool(features, boxes, sizes)
        classes = torch.cat([x.gt_classes for x in samples])
        logits = _of_class(self.mask_head.layers(pooled), classes)
        goal = torch.cat(
            [
                crop_masks(target.gt_masks, x.gt_rows, x.proposal_boxes.tensor, logits.shape[-1])
                for x, target in zip(samples, targets, strict=True)
                if len(x)
            ]
            or [logits.new_zeros(logits.shape, dtype=torch.bool)]
        )
        losses = {
            "loss_mask": _mean(F.binary_cross_entropy_with_logits(logits, goal.to(logits.dtype), reduction="none"))
        }
        if self.maskiou_head is not None:
            # the judge learns from masks as they are; it does not move them
            masks = logits.detach().sigmoid()
            judged = _of_class(self.maskiou_head(pooled, masks[:, None]), classes)
            areas = Boxes.cat(boxes).area(), torch.cat([x.gt_mask_areas for x in samples])
            iou = mask_iou(masks > 0.5, goal, *areas)
            loss = 0.5 * _mean((judged - iou)[iou > 0].square(), judged)
            losses["loss_maskiou"] = self.maskiou_loss_weight * loss
        return losses

    def _pool(self, features: dict[str, Tensor], boxes: list[Boxes], sizes: list[tuple[int, int]]) -> Tensor:
        return self.mask_pooler([features[name] for name in self.in_features], boxes, sizes)

    @torch.no_grad()
    def _sample(self, proposals: list[Instances], targets: list[Instances]) -> list[Instances]:
        """Boxes on objects with masks: proposal_boxes, gt_classes, gt_rows (place in the image's targets) and
        gt_mask_areas."""
        candidates, light_targets = [], []
        for proposal, target in zip(proposals, targets, strict=True):
            candidate = Instances(proposal.image_size)
            candidate.proposal_boxes = proposal.pred_boxes
            candidate.objectness_logits = proposal.scores
            candidates.append(candidate)
            light = Instances(target.image_size, gt_boxes=target.gt_boxes, gt_classes=target.gt_classes)
            light.gt_rows = torch.arange(len(target), device=target.gt_classes.device)
            if len(target):
                light.gt_has_mask = _has_mask(target)
                light.gt_mask_areas = mask_areas(target.gt_masks, target.gt_boxes)
            light_targets.append(light)
        sampled, _ = select_foreground_proposals(
            self.label_and_sample_proposals(candidates, light_targets), self.num_classes
        )
        return [_with_masks(x) for x in sampled]


def _has_mask(target: Instances) -> Tensor:
    """(G,) bool: objects that only have a box teach no mask."""
    if target.has("gt_has_mask"):
        return target.gt_has_mask
    return target.gt_masks.nonempty().to(target.gt_classes.device)


def _with_masks(sample: Instances) -> Instances:
    """The objects of `sample` that have masks; an image without objects, whose fields Detectron2 leaves out, gets
    empty ones."""
    if sample.has("gt_has_mask"):
        return sample[sample.gt_has_mask]
    assert not len(sample)
    sample.gt_rows = sample.gt_classes.new_zeros(0)
    sample.gt_mask_areas = sample.proposal_boxes.tensor.new_zeros(0)
    return sample


def _of_class(values: Tensor, classes: Tensor) -> Tensor:
    """(R, ...) out of (R, K, ...) the value of each row's class, or the only one there is."""
    if values.shape[1] == 1:
        return values[:, 0]
    # not len(): an export would take it for a constant
    return values[torch.arange(values.shape[0], device=values.device), classes]


def _mean(values: Tensor, source: Tensor | None = None) -> Tensor:
    """The mean; of no value at all 0, which still has a gradient: that of `source` (by default `values`)."""
    return values.mean() if values.numel() else (values if source is None else source).sum() * 0
