"""Teachers: what looks at a view of an image and names boxes in it. Detectron2's models here, ONNX files next door."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from detectron2.structures import Boxes, Instances

from dense_det.data.pdf.document import sha256_of
from dense_det.distillation.views import OWN_SIZE, Look, View, build_views, look
from dense_det.fold_bn import fold_bn
from dense_det.tta import boxes_in, has_masks, masks_in

_UNBOUNDED = 1000  # times the shorter edge: of a test size that says "not resized", no ratio is known


@dataclass(frozen=True, slots=True)
class Identity:
    """Which teacher it is, for the manifest: `config_sha256` without paths, and the weights' bytes and file name."""

    kind: str
    config_sha256: str
    weights_sha256: str
    name: str

    def to_dict(self) -> dict:
        return asdict(self)


class Teacher(Protocol):
    """A detector with names for its classes, and the views it should see where nobody says otherwise."""

    identity: Identity
    classes: tuple[str, ...]
    views: tuple[View, ...]
    own_edge: int  # shorter edge in pixels that view "own" stands for; OWN_SIZE: it takes images as they are
    has_masks: bool

    def find(self, image: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """An upright (H, W, 3) uint8 RGB image under a view -> boxes (R, 4) xyxy in pixels of the image, scores (R,),
        classes (R,)."""
        ...


class DetectorTeacher:
    """A Detectron2 model, in the form that its meta architectures share: one dict in, "instances" out.

    Args:
        model: in evaluation mode, with a low score threshold.
        image_format: "BGR" or "RGB", what the model was trained on.
        max_size: of the longer edge in pixels, where the shorter is `min_size`; views keep that ratio.
    """

    def __init__(self, model, classes, image_format: str, min_size: int, max_size: int, views, identity: Identity):
        self.model, self.classes, self.views, self.identity = model, tuple(classes), tuple(views), identity
        self.has_masks = has_masks(model)
        self._bgr = image_format == "BGR"
        self.own_edge = min_size or OWN_SIZE
        self._elongation = max_size / min_size if min_size else _UNBOUNDED

    @torch.inference_mode()
    def find(self, image, view):
        record, seen = self._look(image, view)
        instances = boxes_in(self.model, record).to("cpu")
        boxes = instances.pred_boxes.tensor.double().numpy()
        return seen.to_image(boxes), instances.scores.double().numpy(), instances.pred_classes.numpy()

    @torch.inference_mode()
    def masks(self, image, view, boxes, classes) -> np.ndarray:
        """(R, S, S) float32 probabilities within boxes (R, 4) of the image, of the teacher's own `classes` (R,)."""
        record, seen = self._look(image, view)
        given = Instances(seen.shown)
        given.pred_boxes = Boxes(torch.from_numpy(seen.to_view(boxes)).float())
        given.pred_classes = torch.from_numpy(np.asarray(classes, np.int64))
        given.scores = torch.ones(len(classes))
        device = next(self.model.parameters()).device
        masks, _ = masks_in(self.model, record, given.to(device), view.flip)
        return masks[:, 0].float().cpu().numpy()

    def _look(self, image, view: View) -> tuple[dict, Look]:
        """The record of a view; its height and width are the view's own, so that nothing but Look maps boxes back."""
        pixels, seen = look(image, view, round(self._elongation * view.short_edge))
        if self._bgr:
            pixels = pixels[:, :, ::-1]
        # (C, H, W) in the memory of (H, W, C), what convolutions like; a copy in any case: a mirrored image of one
        # column counts as contiguous, and torch takes no negative strides
        tensor = torch.from_numpy(np.array(pixels, order="C")).permute(2, 0, 1)
        return {"image": tensor, "height": seen.shown[0], "width": seen.shown[1]}, seen


def build_teacher(cfg, load_model: Callable, classes, floor: float, detections_per_image: int) -> DetectorTeacher:
    """The detector of a config, set to tell all that it sees above `floor`.

    Args:
        load_model: (cfg) -> network with weights; dense_det.engine.model.load_model, which this room may not import.
        classes: names of the classes, in the order of training (by rising category id).

    Raises:
        ValueError: as many names as the network has classes are needed; and what `load_model` raises.
    """
    cfg = cfg.clone()
    cfg.defrost()
    heads = cfg.MODEL.RETINANET if "RetinaNet" in cfg.MODEL.META_ARCHITECTURE else cfg.MODEL.ROI_HEADS
    if cfg.MODEL.PROPOSAL_GENERATOR.NAME == "DenseDetFCOS":
        heads = cfg.MODEL.FCOS
    num_classes = heads.NUM_CLASSES
    if num_classes != len(classes):
        raise ValueError(f"the network has {num_classes} classes, but {len(classes)} names: {', '.join(classes)}")
    identity_of = {"MODEL": cfg.MODEL.clone(), "INPUT": cfg.INPUT, "TEST": cfg.TEST}
    identity_of["MODEL"].WEIGHTS = identity_of["MODEL"].DEVICE = ""  # where it lies and where it runs
    words = "".join(node.dump() for node in identity_of.values())
    if heads is cfg.MODEL.FCOS:  # once the floor was compared with the class alone: such predictions do not mix
        words += "floor of the score"
    config_sha256 = hashlib.sha256(words.encode()).hexdigest()

    cfg.MODEL.RETINANET.SCORE_THRESH_TEST = cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = floor
    # it is compared with a probability, or the product of two, of which the score is the root, or less
    cfg.MODEL.FCOS.INFERENCE_TH_TEST = floor**2
    cfg.TEST.DETECTIONS_PER_IMAGE = cfg.MODEL.FCOS.POST_NMS_TOPK_TEST = detections_per_image
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():  # trained there, labels here
        cfg.MODEL.DEVICE = "cpu"
    model = fold_bn(load_model(cfg))
    weights_sha256 = sha256_of(cfg.MODEL.WEIGHTS)
    identity = Identity("detectron2", config_sha256, weights_sha256, Path(cfg.MODEL.WEIGHTS).name)
    return DetectorTeacher(
        model, classes, cfg.INPUT.FORMAT, cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST, build_views(cfg), identity
    )
