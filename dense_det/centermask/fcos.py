"""FCOS: boxes from points, as a detector or as the proposal generator of CenterMask."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.meta_arch.dense_detector import permute_to_N_HWA_K
from detectron2.modeling.proposal_generator import PROPOSAL_GENERATOR_REGISTRY
from detectron2.structures import ImageList, Instances
from fvcore.nn import sigmoid_focal_loss
from torch import Tensor, nn

from dense_det.centermask.box_losses import box_loss, overlaps, require_box_loss
from dense_det.centermask.fcos_head import FCOSHead
from dense_det.centermask.fcos_inference import Selection, no_boxes, select_boxes
from dense_det.centermask.fcos_targets import (
    IGNORED,
    Targets,
    assign,
    centerness,
    ignore_regions,
    locations_of_level,
    size_limits,
)
from dense_det.suggest import unknown

QUALITIES = ("ctrness", "iou")


@PROPOSAL_GENERATOR_REGISTRY.register()
class DenseDetFCOS(nn.Module):
    """FCOS (arXiv 1904.01355) as CenterMask2 has it: distances in strides, centre sampling, sqrt scores.

    Args:
        head: L features -> L logits, L distances, L qualities.
        in_features: names of the L levels.
        strides: of the levels, rising.
        num_classes: K.
        limits: see fcos_targets.size_limits.
        radius: of centre sampling, in strides; 0 takes the whole box.
        box_loss_type: a key of box_losses.LOSSES.
        quality: what the quality learns: "ctrness" (FCOS, equation 3), which also weighs the box losses, or "iou" of
            the box with its object.
        focal_alpha, focal_gamma: of the focal loss (arXiv 1708.02002, equation 5).
        train_selection, test_selection: which boxes become proposals in training, and detections.
        gives_proposals: a head waits for boxes in training, too.
    """

    @configurable
    def __init__(
        self,
        *,
        head: nn.Module,
        in_features: list[str],
        strides: list[int],
        num_classes: int,
        limits: list[tuple[float, float]],
        radius: float,
        box_loss_type: str,
        quality: str,
        focal_alpha: float,
        focal_gamma: float,
        train_selection: Selection,
        test_selection: Selection,
        gives_proposals: bool,
    ):
        super().__init__()
        if quality not in QUALITIES:
            raise ValueError(f"MODEL.FCOS.BOX_QUALITY: {unknown('quality', quality, QUALITIES)}")
        self.fcos_head = head
        self.in_features = in_features
        self.strides = strides
        self.num_classes = num_classes
        self.limits = limits
        self.radius = radius
        self.box_loss_type = require_box_loss(box_loss_type)
        self.quality = quality
        self.focal_alpha = focal_alpha
        self.focal_gamma = focal_gamma
        self.train_selection = train_selection
        self.test_selection = test_selection
        self.gives_proposals = gives_proposals

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        fcos = cfg.MODEL.FCOS
        for feature in fcos.IN_FEATURES:
            if feature not in input_shape:
                raise ValueError(f"MODEL.FCOS.IN_FEATURES: {unknown('output of the backbone', feature, input_shape)}")
        shapes = [input_shape[feature] for feature in fcos.IN_FEATURES]
        strides = [shape.stride for shape in shapes]
        if not strides or strides != sorted(set(strides)):
            raise ValueError(
                "MODEL.FCOS.IN_FEATURES: levels, finest first, as MODEL.FCOS.SIZES_OF_INTEREST begins with the "
                f"smallest objects: got {list(fcos.IN_FEATURES)} with strides {strides}"
            )
        head = FCOSHead(
            in_channels=shapes[0].channels,
            num_levels=len(shapes),
            num_classes=fcos.NUM_CLASSES,
            num_cls_convs=fcos.NUM_CLS_CONVS,
            num_box_convs=fcos.NUM_BOX_CONVS,
            num_share_convs=fcos.NUM_SHARE_CONVS,
            norm=fcos.NORM,
            deformable=fcos.USE_DEFORMABLE,
            use_scale=fcos.USE_SCALE,
            use_relu=fcos.USE_RELU,
            prior_prob=fcos.PRIOR_PROB,
        )
        shared = {"with_quality": fcos.THRESH_WITH_CTR, "nms_threshold": fcos.NMS_TH, "clip": fcos.CLIP_BOXES}
        return {
            "head": head,
            "in_features": list(fcos.IN_FEATURES),
            "strides": strides,
            "num_classes": fcos.NUM_CLASSES,
            "limits": size_limits(fcos.SIZES_OF_INTEREST, len(shapes)),
            "radius": fcos.POS_RADIUS if fcos.CENTER_SAMPLE else 0.0,
            "box_loss_type": fcos.LOC_LOSS_TYPE,
            "quality": fcos.BOX_QUALITY,
            "focal_alpha": fcos.LOSS_ALPHA,
            "focal_gamma": fcos.LOSS_GAMMA,
            "train_selection": Selection(
                threshold=fcos.INFERENCE_TH_TRAIN,
                pre_nms_topk=fcos.PRE_NMS_TOPK_TRAIN,
                post_nms_topk=fcos.POST_NMS_TOPK_TRAIN,
                **shared,
            ),
            "test_selection": Selection(
                threshold=fcos.INFERENCE_TH_TEST,
                pre_nms_topk=fcos.PRE_NMS_TOPK_TEST,
                post_nms_topk=fcos.POST_NMS_TOPK_TEST,
                **shared,
            ),
            "gives_proposals": cfg.MODEL.MASK_ON,
        }

    def forward(
        self, images: ImageList, features: dict[str, Tensor], gt_instances: list[Instances] | None = None
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """As Detectron2's proposal generators.

        Returns:
            boxes of each image with pred_boxes, scores and pred_classes (none in training, unless a head waits for
            them), and the losses in training.
        """
        outputs = self.fcos_head([features[f] for f in self.in_features])
        losses = self.losses(outputs, gt_instances) if self.training else {}
        if self.training and not self.gives_proposals:
            return [no_boxes(size, outputs[0][0]) for size in images.image_sizes], losses
        selection = self.train_selection if self.training else self.test_selection
        return self.predict(outputs, images.image_sizes, selection), losses

    @torch.no_grad()
    def predict(self, outputs, image_sizes: list[tuple[int, int]], selection: Selection) -> list[Instances]:
        """The boxes of each image, from what the head gives."""
        logits, distances, qualities = ([permute_to_N_HWA_K(x, x.shape[1]) for x in kind] for kind in outputs)
        distances = [level * unit for level, unit in zip(distances, self._units(), strict=True)]
        locations = self._locations(outputs)
        return [
            select_boxes(
                locations,
                [level[n].float() for level in logits],
                [level[n].float() for level in distances],
                [level[n, :, 0].float() for level in qualities],
                size,
                selection,
            )
            for n, size in enumerate(image_sizes)
        ]

    def losses(self, outputs, gt_instances: list[Instances]) -> dict[str, Tensor]:
        """Focal loss over the objects' locations, box loss, and binary cross-entropy of the quality.

        In training the divisors are taken over all processes, so that N of them give the losses of one. They count
        locations, whatever weight (`gt_weights` of the instances) their objects have.
        """
        logits, distances, qualities = (
            torch.cat([permute_to_N_HWA_K(x, x.shape[1]) for x in kind], dim=1).flatten(0, 1).float()
            for kind in outputs
        )
        targets = self._targets(self._locations(outputs), gt_instances)
        judged = targets.labels != IGNORED
        positive = judged & (targets.labels != self.num_classes)
        num_positive = self._share_of_total(positive.sum().float(), least=1.0)
        one_hot = F.one_hot(targets.labels[judged], self.num_classes + 1)[:, :-1].to(logits.dtype)
        focal = sigmoid_focal_loss(logits[judged], one_hot, self.focal_alpha, self.focal_gamma)
        focal = (focal * targets.weights[judged, None]).sum()
        weights = targets.weights[positive]
        predicted, quality = distances[positive], qualities[positive, 0]
        ltrb = targets.ltrb[positive]
        if self.fcos_head.use_relu:  # the head's unit
            ltrb = ltrb / targets.strides[positive, None]
        box = box_loss(predicted, ltrb, self.box_loss_type)
        if self.quality == "ctrness":
            goal = centerness(ltrb)
            box = (box * goal * weights).sum() / self._share_of_total(goal.sum(), least=1e-6)
        else:
            goal = overlaps(predicted.detach(), ltrb)[0]
            box = (box * weights).sum() / num_positive
        loss_quality = F.binary_cross_entropy_with_logits(quality, goal, weights, reduction="sum")
        return {
            "loss_fcos_cls": focal / num_positive,
            "loss_fcos_loc": box,
            "loss_fcos_ctr": loss_quality / num_positive,
        }

    def _locations(self, outputs) -> list[Tensor]:
        return [
            locations_of_level(*level.shape[-2:], stride, level.device)
            for level, stride in zip(outputs[0], self.strides, strict=True)
        ]

    def _units(self) -> list[int]:
        """Pixels in one unit of the head's distances, for each level."""
        return self.strides if self.fcos_head.use_relu else [1] * len(self.strides)

    @torch.no_grad()
    def _targets(self, locations: list[Tensor], gt_instances: list[Instances]) -> Targets:
        """Of all images, one behind the other; locations on an ignore region (`ignore_boxes`) are IGNORED."""
        of_images = [
            assign(
                locations,
                self.strides,
                self.limits,
                x.gt_boxes.tensor,
                x.gt_classes,
                self.num_classes,
                self.radius,
                x.gt_weights if x.has("gt_weights") else None,
            )
            for x in gt_instances
        ]
        labels = [targets.labels for targets in of_images]
        for n, x in enumerate(gt_instances):
            regions = getattr(x, "ignore_boxes", None)
            if regions is not None and len(regions):
                labels[n] = ignore_regions(labels[n], torch.cat(locations), regions.tensor, self.num_classes)
        return Targets(
            labels=torch.cat(labels),
            ltrb=torch.cat([targets.ltrb for targets in of_images]),
            strides=torch.cat([targets.strides for targets in of_images]),
            weights=torch.cat([targets.weights for targets in of_images]),
        )

    @torch.no_grad()
    def _share_of_total(self, value: Tensor, least: float) -> Tensor:
        """The mean of `value` over the processes that train together; their sum is at least `least`."""
        if not (self.training and dist.is_available() and dist.is_initialized()):
            return value.clamp(min=least)
        total = value.clone()
        dist.all_reduce(total)
        return total.clamp(min=least) / dist.get_world_size()
