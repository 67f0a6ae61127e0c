"""CenterMask as a detector: FCOS, masks, mask scores, corners."""

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.structures import ImageList, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from dense_det.layers.image_batch import channels_last_batch, is_channels_last
from dense_det.quad import masks_to_quads


@META_ARCH_REGISTRY.register()
class DenseDetCenterMask(GeneralizedRCNN):
    """CenterMask (arXiv 1911.06667): a backbone, FCOS as proposal generator, and heads for masks and their scores.

    With MODEL.MASK_ON False it is FCOS (arXiv 1904.01355) alone, and learns from boxes alone.

    Detections are Instances with pred_boxes, scores, pred_classes; with masks also pred_masks (R, H, W) bool,
    mask_scores (R,) where masks are judged, and with `quads` pred_quads (R, 4, 2): x, y of the corners in pixels of
    the output, clockwise from the top left (see quad.mask_to_quad).

    Args:
        quads: turn masks into quadrilaterals.
        arguments: of GeneralizedRCNN.
    """

    @configurable
    def __init__(self, *, quads: bool = False, **arguments):
        super().__init__(**arguments)
        self.quads = quads

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        return super().from_config(cfg) | {"quads": cfg.MODEL.MASK_ON and cfg.MODEL.ROI_MASK_HEAD.QUADS}

    @property
    def head(self) -> nn.Module:
        """What reads the pyramid: with `head_in_features` this is a dense detector, as Detectron2 calls RetinaNet."""
        return self.proposal_generator.fcos_head

    @property
    def head_in_features(self) -> list[str]:
        return self.proposal_generator.in_features

    def preprocess_image(self, batched_inputs: list[dict]) -> ImageList:
        if torch.jit.is_tracing() or not is_channels_last(self):
            return super().preprocess_image(batched_inputs)
        images = [x["image"].to(self.device) for x in batched_inputs]
        size = self.backbone.size_divisibility, self.backbone.padding_constraints
        return channels_last_batch(images, self.pixel_mean, self.pixel_std, *size)

    def inference(
        self,
        batched_inputs: list[dict],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list:
        """As GeneralizedRCNN's: dicts with "instances" at the output's size, or raw Instances."""
        results = super().inference(batched_inputs, detected_instances, do_postprocess)
        if self.quads and do_postprocess:
            for result in results:
                self.add_quads(result["instances"])
        return results

    def add_quads(self, instances: Instances) -> None:
        """Give `instances` with pred_masks (R, H, W) their pred_quads."""
        quads = masks_to_quads(instances.pred_masks.cpu().numpy(), instances.pred_boxes.tensor.cpu().numpy())
        instances.pred_quads = torch.from_numpy(quads).to(instances.scores.device)

    @torch.no_grad()
    def validation_losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        """The losses of annotated images as evaluation sees them: no state of the model or of training changes,
        nor that of the random numbers.

        They are divided by what these images hold: means over images of very different numbers of objects compare to
        each other, and only roughly to the training's.

        Args:
            batched_inputs: dicts with "image" and "instances", as in training.
        """
        training = self.training
        cuda = [self.device] if self.device.type == "cuda" else []  # the CPU's generator is kept in any case
        self.eval()
        fcos = self.proposal_generator
        try:
            images = self.preprocess_image(batched_inputs)
            features = self.backbone(images.tensor)
            targets = [x["instances"].to(self.device) for x in batched_inputs]
            outputs = self.head([features[name] for name in self.head_in_features])
            proposals = fcos.predict(outputs, images.image_sizes, fcos.train_selection)
            # Detectron2 draws samples, and logs their number into the current storage: not into the training's
            with torch.random.fork_rng(cuda), EventStorage():
                return fcos.losses(outputs, targets) | self.roi_heads.losses(features, proposals, targets)
        finally:
            self.train(training)
