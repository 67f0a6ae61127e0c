"""Dense detectors as tensors alone: an image of any size in, boxes out."""

import torch
import torch.nn.functional as F
from detectron2.modeling.meta_arch.dense_detector import permute_to_N_HWA_K
from detectron2.modeling.meta_arch.retinanet import RetinaNet
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from dense_det.deploy.selection import above, select


class DeployGraph(nn.Module):
    """A detector's inference with Detectron2's post-processing, without its data structures.

    (1, H, W, 3) uint8 RGB -> boxes (R, 4) float32 xyxy in pixels of the image and within it, scores (R,) float32,
    classes (R,) int64, by falling score.

    Args:
        model: with pixel_mean, pixel_std, input_format, backbone, head and head_in_features, on the CPU.
        num_classes: K.
        threshold: see selection.select; also of boxes that a kind of detector marks by a score of -1.
        nms_iou, most: see selection.select.

    Raises:
        ValueError: a backbone that wants square images, or a limit of boxes below 1.
    """

    select = staticmethod(select)

    def __init__(self, model: nn.Module, num_classes: int, threshold: float, nms_iou: float, most: int):
        super().__init__()
        if model.backbone.padding_constraints.get("square_size", 0) > 0:
            raise ValueError("a backbone that pads images to squares cannot be exported")
        if most < 1:  # of -1 Detectron2 makes all boxes but the last
            raise ValueError(
                f"at most {most} boxes of an image cannot be exported: give a number from 1, as by --opts "
                "TEST.DETECTIONS_PER_IMAGE 100 (RetinaNet) or MODEL.FCOS.POST_NMS_TOPK_TEST 100 (FCOS, CenterMask)"
            )
        self.model = model
        self.num_classes, self.threshold, self.nms_iou, self.most = num_classes, threshold, nms_iou, most

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        size = image.shape[1:3]
        boxes, scores, classes = self.detect(self.model.backbone(self._pixels(image)), size)
        if self.gives_candidates:
            return boxes, scores, classes
        boxes = clipped(boxes, size)
        rows = full(boxes)
        return boxes[rows], scores[rows], classes[rows]

    @property
    def gives_candidates(self) -> bool:
        """Whether it leaves suppression to who runs it, and therefore the cut, too: see suppression.finish."""
        return self.select is above

    def detect(self, features: dict[str, Tensor], size) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (R, 4), which may leave the image, scores (R,) and classes (R,) from what the backbone gives."""
        outputs = self.model.head([features[name] for name in self.model.head_in_features])
        levels = [self.candidates(index, *level) for index, level in enumerate(zip(*outputs, strict=True))]
        scores, classes, answers, places = (torch.cat(parts) for parts in zip(*levels, strict=True))
        boxes = self.boxes(answers, places, size)
        rows = self.select(boxes, scores, classes, self.num_classes, self.threshold, self.nms_iou, self.most)
        return boxes[rows], scores[rows], classes[rows]

    def candidates(self, index: int, *outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of a level: scores (N,), classes (N,), and what `boxes` makes boxes of, (N, 4) and (N, 2 or 4): what the head
        says of a box, and where it says so.

        Args:
            index: of the level, the finest is 0.
            outputs: (1, C, h, w) each.
        """
        raise NotImplementedError

    def boxes(self, answers: Tensor, places: Tensor, size) -> Tensor:
        """(N, 4) xyxy of the candidates of all levels: at once, since an engine takes its time for every step.

        Args:
            size: (H, W) of the image.
        """
        raise NotImplementedError

    def _pixels(self, image: Tensor) -> Tensor:
        """Normalised and padded, (1, 3, H', W')."""
        x = image.permute(0, 3, 1, 2).float()
        if self.model.input_format == "BGR":
            x = x.flip(1)
        x = (x - self.model.pixel_mean) / self.model.pixel_std
        multiple = max(self.model.backbone.size_divisibility, 1)
        height, width = image.shape[1:3]
        # rounded up by a floor division: with the remainder of -width torch.export needs twice the time
        wider, higher = ((side + multiple - 1) // multiple * multiple - side for side in (width, height))
        return F.pad(x, (0, wider, 0, higher))


class RetinaNetGraph(DeployGraph):
    """Of Detectron2's RetinaNet and its subclasses."""

    def __init__(self, model: RetinaNet):
        super().__init__(
            model, model.num_classes, model.test_score_thresh, model.test_nms_thresh, model.max_detections_per_image
        )

    def candidates(self, index, logits, deltas):
        scores, rows, classes = best(permute_to_N_HWA_K(logits, self.num_classes)[0], self.model.test_topk_candidates)
        anchors = self.model.anchor_generator
        cell_anchors = list(anchors.cell_anchors)[index]
        cells, kinds = divide(rows, len(cell_anchors))
        centre = cell_centres(cells, logits.shape[3], anchors.strides[index], anchors.offset)
        places = cell_anchors[kinds] + torch.cat([centre, centre], 1)
        return scores.sigmoid(), classes, permute_to_N_HWA_K(deltas, 4)[0][rows], places

    def boxes(self, answers, places, size):
        return self.model.box2box_transform.apply_deltas(answers, places)


class FCOSGraph(DeployGraph):
    """Of DenseDetCenterMask without masks, which is FCOS: its proposal generator holds head, strides and selection."""

    def __init__(self, model: nn.Module):
        selection = model.proposal_generator.test_selection
        # scores of 0 or less are of those below the selection's own threshold
        super().__init__(
            model, model.proposal_generator.num_classes, 0.0, selection.nms_threshold, selection.post_nms_topk
        )

    def candidates(self, index, logits, distances, quality):
        fcos = self.model.proposal_generator
        selection, stride = fcos.test_selection, fcos.strides[index]
        class_scores = permute_to_N_HWA_K(logits, self.num_classes)[0].sigmoid()
        scores = class_scores * permute_to_N_HWA_K(quality, 1)[0].sigmoid()
        above = (scores if selection.with_quality else class_scores) > selection.threshold
        scores, rows, classes = best(torch.where(above, scores, 0.0), selection.pre_nms_topk)
        centre = cell_centres(rows, logits.shape[3], stride, (stride // 2) / stride)
        ltrb = permute_to_N_HWA_K(distances, 4)[0][rows]
        if fcos.fcos_head.use_relu:
            ltrb = ltrb * stride
        return scores.sqrt(), classes, ltrb, centre

    def boxes(self, answers, places, size):
        boxes = torch.cat([places - answers[:, :2], places + answers[:, 2:]], 1)
        return clipped(boxes, size) if self.model.proposal_generator.test_selection.clip else boxes


class CenterMaskGraph(FCOSGraph):
    """Of DenseDetCenterMask with masks.

    Behind boxes, scores and classes come mask_scores (R,) float32, the boxes' scores where masks are not judged, and
    masks (R, S, S) float32: probabilities within the boxes.

    Raises:
        ValueError: heads other than DenseDetCenterROIHeads, or a mask head that gives no logits by `layers`.
    """

    def __init__(self, model: nn.Module):
        super().__init__(model)
        heads = model.roi_heads
        if not hasattr(getattr(heads, "mask_pooler", None), "pool_one_image"):
            raise ValueError(
                f"{type(heads).__name__} cannot be exported: MODEL.ROI_HEADS.NAME DenseDetCenterROIHeads can"
            )
        if not hasattr(heads.mask_head, "layers"):
            raise ValueError(
                f"the mask head {type(heads.mask_head).__name__} cannot be exported: MODEL.ROI_MASK_HEAD.NAME "
                "DenseDetSpatialAttentionMaskHead and MaskRCNNConvUpsampleHead can; MODEL.MASK_ON False exports boxes"
            )

    def forward(self, image):
        size = image.shape[1:3]
        features = self.model.backbone(self._pixels(image))
        boxes, scores, classes = self.detect(features, size)
        if self.gives_candidates:
            return boxes, scores, classes, *self.masks(features, size, boxes, scores, classes)[::-1]
        shown = clipped(boxes, size)
        rows = full(shown)
        # pooled as they were found, and cut to the image only then: as Detectron2 does
        masks, mask_scores = self.masks(features, size, boxes[rows], scores[rows], classes[rows])
        return shown[rows], scores[rows], classes[rows], mask_scores, masks

    def masks(self, features, size, boxes, scores, classes) -> tuple[Tensor, Tensor]:
        """Probabilities (R, S, S) within boxes (R, 4), and their scores (R,)."""
        # one more, which is dropped in the end: OpenVINO cannot pool the masks of no box
        more = (F.pad(boxes, (0, 0, 0, 1), value=1.0), F.pad(scores, (0, 1)), F.pad(classes, (0, 1)))
        masks, mask_scores = self._masks(features, size, *more)
        return masks[:-1], mask_scores[:-1]

    def _masks(self, features, size, boxes, scores, classes) -> tuple[Tensor, Tensor]:
        heads = self.model.roi_heads
        pooled = heads.mask_pooler.pool_one_image([features[name] for name in heads.in_features], boxes, size)
        masks = of_class(heads.mask_head.layers(pooled), classes).sigmoid()
        if heads.maskiou_head is None:
            return masks, scores.clone()
        return masks, scores * of_class(heads.maskiou_head(pooled, masks[:, None]), classes)


def deploy_graph(model: nn.Module, suppress: bool = True) -> DeployGraph:
    """The graph of a detector in evaluation mode.

    Args:
        suppress: False leaves non-maximum suppression to who runs the graph. It gives all candidates above the
            threshold, by falling score and as they were found: they may leave the image.

    Raises:
        ValueError: a detector that has none.
    """
    for name, module in model.named_modules():
        if isinstance(module, DeformConv2d):
            raise ValueError(
                f"{name} is a deformable convolution, which ONNX's engines cannot run: train with "
                "MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE all False and MODEL.FCOS.USE_DEFORMABLE False"
            )
    if isinstance(model, RetinaNet):
        graph = RetinaNetGraph(model)
    elif hasattr(model, "head") and hasattr(getattr(model, "proposal_generator", None), "fcos_head"):
        boxes_alone = getattr(model.roi_heads, "mask_head", None) is None
        graph = (FCOSGraph if boxes_alone else CenterMaskGraph)(model)
    else:
        raise ValueError(f"{type(model).__name__} cannot be exported: RetinaNet, FCOS and CenterMask can")
    if not suppress:
        graph.select = above
    return graph.eval()


def best(scores: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """(R, K) scores -> at most `most` highest ones, by falling score, with their rows and classes."""
    values, places = scores.flatten().topk(torch.sym_min(most, scores.shape[0] * scores.shape[1]))
    return values, *divide(places, scores.shape[1])


def divide(numbers: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """Quotients and remainders of integers that are not negative: by fewer steps than // and % take in a graph."""
    if isinstance(by, int) and by == 1:
        return numbers, torch.zeros_like(numbers)
    quotients = torch.div(numbers, by, rounding_mode="trunc")
    return quotients, numbers - quotients * by


def cell_centres(cells: Tensor, width: int, stride: int, offset: float) -> Tensor:
    """(N, 2) x, y in pixels of a point in cells (N,) of a map of `width`, which are counted row by row: `offset`
    strides into each."""
    y, x = divide(cells, width)
    return torch.stack([x, y], 1) * stride + offset * stride


def clipped(boxes: Tensor, size) -> Tensor:
    """Boxes (R, 4) xyxy cut to an image of (height, width)."""
    height, width = size
    left, top, right, bottom = boxes.unbind(1)
    return torch.stack([left.clamp(0, width), top.clamp(0, height), right.clamp(0, width), bottom.clamp(0, height)], 1)


def full(boxes: Tensor) -> Tensor:
    """The rows (F,) of boxes (R, 4) that have an area."""
    left, top, right, bottom = boxes.unbind(1)
    return ((right > left) & (bottom > top)).nonzero()[:, 0]


def of_class(values: Tensor, classes: Tensor) -> Tensor:
    """(R, ...) out of (R, K, ...) the value of each row's class (R,), or the only one there is."""
    if values.shape[1] == 1:
        return values[:, 0]
    return values[torch.arange(values.shape[0]), classes]
