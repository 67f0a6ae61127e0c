"""Detectron2's RetinaNet with any norm in the head, and losses that do not depend on how a batch is divided."""

import torch
import torch.distributed as dist
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.meta_arch.retinanet import RetinaNet
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.structures.boxes import pairwise_intersection
from detectron2.utils.events import EventStorage, get_event_storage
from fvcore.nn import sigmoid_focal_loss
from torch import Tensor
from torch.nn import functional as F

from dense_det.anchor_losses import anchor_box_losses
from dense_det.anchor_matching import match_anchors
from dense_det.layers.image_batch import channels_last_batch, is_channels_last
from dense_det.retinanet_head import build_retinanet_head
from dense_det.retinanet_inference import Selection, select_boxes

# of an anchor's area. An anchor that were no background if the region were an object (its IoU is 0.4 or more, by
# Detectron2's IOU_THRESHOLDS) has at least this share in it, since the intersection over its own area is larger
IGNORE_SHARE = 0.4


@META_ARCH_REGISTRY.register()
class DenseDetRetinaNet(RetinaNet):
    """RetinaNet (arXiv 1708.02002). Differences to Detectron2's class of the same name:

    - MODEL.RETINANET.NORM is any of BN, SyncBN, FrozenBN, GN (any width), LN, "" (none);
    - a head of another width, or of 1x1 convolutions;
    - the losses are divided by a moving average of the matched anchors of *all* processes, which is kept
      in checkpoints: N processes with a batch of B / N give the losses of one with B, and a resumed run
      goes on as if it had not stopped;
    - anchors on an ignore region (`ignore_boxes` of the instances) that match no object are not judged;
    - the losses of anchors that match an object are multiplied by its `gt_weights`, where the instances have them;
    - `validation_losses`;
    - images are laid out in memory as the weights are (channels_last);
    - the same boxes are found faster (retinanet_inference).
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # moving average of the matched anchors per image; 0 before the first training step
        self.register_buffer("positives_per_image", torch.zeros(()))
        self._last_anchors = None

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        # Detectron2 names the head's class in its from_config, with its own get_norm: let it build a plain one
        plain = cfg.clone()
        plain.defrost()
        plain.MODEL.RETINANET.NORM = ""
        try:
            arguments = super().from_config(plain)
        except KeyError as error:
            if error.args[0] not in cfg.MODEL.RETINANET.IN_FEATURES:
                raise
            raise ValueError(f"MODEL.RETINANET.IN_FEATURES: the backbone has no output {error}") from error
        shapes = arguments["backbone"].output_shape()
        arguments["head"] = build_retinanet_head(cfg, [shapes[f] for f in cfg.MODEL.RETINANET.IN_FEATURES])
        return arguments

    def preprocess_image(self, batched_inputs: list[dict]) -> ImageList:
        if torch.jit.is_tracing() or not is_channels_last(self):
            return super().preprocess_image(batched_inputs)
        images = [x["image"].to(self.device) for x in batched_inputs]
        size = self.backbone.size_divisibility, self.backbone.padding_constraints
        return channels_last_batch(images, self.pixel_mean, self.pixel_std, *size)

    def forward_inference(self, images: ImageList, features: list[Tensor], predictions) -> list[Instances]:
        """See RetinaNet.forward_inference: the same boxes, sooner."""
        if torch.jit.is_tracing():
            return super().forward_inference(images, features, predictions)
        logits, deltas = self._transpose_dense_predictions(predictions, [self.num_classes, 4])
        anchors = self._anchors_of(features)
        selection = Selection(
            self.test_score_thresh, self.test_topk_candidates, self.test_nms_thresh, self.max_detections_per_image
        )
        return [
            select_boxes(
                anchors, [x[n] for x in logits], [x[n] for x in deltas], self.box2box_transform, size, selection
            )
            for n, size in enumerate(images.image_sizes)
        ]

    def _anchors_of(self, features: list[Tensor]) -> list[Boxes]:
        """Pages are often of one size: the anchors of the last are kept."""
        key = [(feature.shape[2:], feature.device) for feature in features]
        if self._last_anchors is None or self._last_anchors[0] != key:
            self._last_anchors = key, self.anchor_generator(features)
        return self._last_anchors[1]

    def label_anchors(self, anchors: list[Boxes], gt_instances) -> tuple[list[Tensor], list[Tensor]]:
        """See RetinaNet.label_anchors; the label of anchors on an ignore region is -1, unless they match an object."""
        anchors = Boxes.cat(anchors)
        matches, states = match_anchors(anchors, [x.gt_boxes for x in gt_instances], self.anchor_matcher)
        # one more than there are: an index of an image without objects, in a batch without any
        classes = F.pad(torch.cat([x.gt_classes for x in gt_instances]), (0, 1))
        boxes = F.pad(torch.cat([x.gt_boxes.tensor for x in gt_instances]), (0, 0, 0, 1))
        labels = classes[matches].masked_fill_(states == 0, self.num_classes).masked_fill_(states == -1, -1)
        labels[[number for number, x in enumerate(gt_instances) if not len(x)]] = self.num_classes
        for label, instances in zip(labels, gt_instances, strict=True):
            regions = getattr(instances, "ignore_boxes", None)
            if regions is not None and len(regions):
                share = pairwise_intersection(regions, anchors).amax(0) / anchors.area()
                label[(share >= IGNORE_SHARE) & (label == self.num_classes)] = -1
        return list(labels), list(boxes[matches])

    def forward_training(self, images, features, predictions, gt_instances) -> dict[str, Tensor]:
        pred_logits, pred_anchor_deltas = self._transpose_dense_predictions(predictions, [self.num_classes, 4])
        anchors = self._anchors_of(features)
        gt_labels, gt_boxes = self.label_anchors(anchors, gt_instances)
        weights = self._anchor_weights(anchors, gt_labels, gt_instances)
        return self.losses(anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes, weights)

    @torch.no_grad()
    def _anchor_weights(self, anchors: list[Boxes], gt_labels: list[Tensor], gt_instances) -> Tensor | None:
        """(N, R) weights of the objects that anchors match, 1 for the others; None where no object has a weight."""
        if not any(len(instances) and instances.has("gt_weights") for instances in gt_instances):
            return None
        matches, _ = match_anchors(Boxes.cat(anchors), [x.gt_boxes for x in gt_instances], self.anchor_matcher)
        weights = F.pad(torch.cat([x.gt_weights for x in gt_instances if len(x)]), (0, 1)).to(matches.device)
        labels = torch.stack(gt_labels)
        return torch.where((labels >= 0) & (labels != self.num_classes), weights[matches], 1.0)

    def losses(
        self, anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See RetinaNet.losses. In training this also moves the normaliser, in evaluation it does not.

        The normaliser counts anchors, whatever `weights` (N, R) they have: a label that is worth half is learned half
        as much, beside a background that is learned as ever.

        Written anew for one reason: Detectron2 calls a torch.jit.script focal loss, whose first calls in a process
        round differently from the later ones, so that a resumed run would not end with the same weights.
        """
        labels = torch.stack(gt_labels)  # (N, R) in {-1: ignored, 0..K-1, K: background}
        valid = labels >= 0
        positive = valid & (labels != self.num_classes)
        one_hot = F.one_hot(labels[valid], self.num_classes + 1)[:, :-1]  # background is no class
        logits = torch.cat(pred_logits, dim=1)[valid]
        losses = sigmoid_focal_loss(logits, one_hot.to(logits.dtype), self.focal_loss_alpha, self.focal_loss_gamma)
        box_losses = anchor_box_losses(
            Boxes.cat(anchors).tensor.expand(*labels.shape, 4)[positive],
            torch.cat(pred_anchor_deltas, dim=1)[positive],
            torch.stack(gt_boxes)[positive],
            self.box2box_transform,
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        if weights is not None:
            losses, box_losses = losses * weights[valid, None], box_losses * weights[positive]
        loss_cls, loss_box_reg = losses.sum(), box_losses.sum()
        num_positives, num_images = positive.sum(), len(gt_labels)
        get_event_storage().put_scalar("num_pos_anchors", num_positives.item() / num_images)
        normalizer = self._update_normalizer if self.training else self._current_normalizer
        divisor = normalizer(num_positives, num_images)
        return {"loss_cls": loss_cls / divisor, "loss_box_reg": loss_box_reg / divisor}

    @torch.no_grad()
    def _update_normalizer(self, num_positives: Tensor, num_images: int, momentum: float = 0.9) -> Tensor:
        """Detectron2's average (momentum 0.9, from 100 matched anchors per batch) over the batch of all processes.

        Returns:
            Tensor: what this process divides its sums by. The mean over the processes of these quotients, which
            is what DistributedDataParallel makes of the gradients, is the quotient of one process.
        """
        totals = torch.stack([num_positives.float(), num_positives.new_tensor(num_images, dtype=torch.float)])
        world_size = 1
        if dist.is_available() and dist.is_initialized():
            world_size = dist.get_world_size()
            dist.all_reduce(totals)
        positives, images = totals
        before = torch.where(self.positives_per_image > 0, self.positives_per_image, 100 / images)
        self.positives_per_image.copy_(momentum * before + (1 - momentum) * positives.clamp(min=1) / images)
        return self.positives_per_image * images / world_size

    def _current_normalizer(self, num_positives: Tensor, num_images: int) -> Tensor:
        """The matched anchors that training expects of `num_images`; before any training those that there are."""
        expected = self.positives_per_image * num_images
        return torch.where(expected > 0, expected, num_positives.clamp(min=1))

    @torch.no_grad()
    def validation_losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        """The losses of annotated images as evaluation sees them: no state of the model or of training changes.

        Sums over images are divided by the training's matched anchors per image: the mean over batches, weighted
        by their images, compares to the training losses whatever the batch size. Processes need not keep step.

        Args:
            batched_inputs: dicts with "image" and "instances", as in training.
        """
        training = self.training
        self.eval()
        try:
            images = self.preprocess_image(batched_inputs)
            features = self.backbone(images.tensor)
            features = [features[f] for f in self.head_in_features]
            instances = [x["instances"].to(self.device) for x in batched_inputs]
            # Detectron2's losses log into the current storage: not into the training's
            with EventStorage():
                return self.forward_training(images, features, self.head(features), instances)
        finally:
            self.train(training)
