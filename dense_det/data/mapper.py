"""From a record of the data set to a picture and its boxes."""

import os
from contextlib import nullcontext

import numpy as np
import torch
from detectron2.data import DatasetMapper, detection_utils
from detectron2.data import transforms as T
from detectron2.structures import Boxes, BoxMode, Instances
from PIL import Image, ImageOps

from dense_det.data.augmentation import build_augmentation
from dense_det.data.check_images import FLOAT_MODE, FLOATS
from dense_det.data.jpeg import decoded_jpeg
from dense_det.data.masks import require_mask_format, tighten_boxes, transformed_masks
from dense_det.data.orientation import orientation
from dense_det.data.semantics import read_classes, transformed_classes
from dense_det.data.targets import ImageTargets

# Less than this share of a cut box is no longer the object: the last line of a table is text, a strip of a picture
# is nothing. As a target it would teach wrong borders and classes; more of it is still plainly the object.
MIN_VISIBLE = 0.4

SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def build_mapper(cfg, is_train: bool, with_annotations: bool) -> "PageMapper":
    """The mapper with training's or testing's augmentation, giving "instances" or not.

    Raises:
        ValueError: an INPUT value that has no meaning here.
    """
    return PageMapper(
        is_train=with_annotations,
        augmentations=build_augmentation(cfg, is_train),
        image_format=cfg.INPUT.FORMAT,
        use_instance_mask=cfg.MODEL.MASK_ON,
        instance_mask_format=require_mask_format(cfg.INPUT.MASK_FORMAT),
        ignore_value=cfg.MODEL.SEM_SEG_HEAD.IGNORE_VALUE,
        weight_by_score=cfg.DATALOADER.WEIGHT_BY_SCORE,
        planes=not cfg.MODEL.CHANNELS_LAST,
    )


class PageMapper(DatasetMapper):
    """Detectron2's DatasetMapper that reads every kind of image, drops what was cut away, and names the file.

    A record in Detectron2's format gives a dict with "image" (C, H, W) uint8, "height" and "width" of the file,
    "image_id", "file_name" and, where annotations are asked for, "instances" at the size of "image". Crowds are
    no targets: where there are some, "instances" are ImageTargets, and their boxes are its ignore_boxes. A record
    without annotations is an image without objects. With masks, "instances" have gt_masks and
    gt_has_mask, see masks.transformed_masks: objects may have a box alone. Where annotations are asked for and the
    record has a "sem_seg_file_name", "sem_seg" (H, W) int64 are the classes of its pixels.

    Args:
        ignore_value: the class in "sem_seg" of pixels that the augmentation added.
        weight_by_score: instances have gt_weights (G,), the annotations' "score", or 1 where there is none.
        planes: "image" lies in memory plane by plane, else pixel by pixel.
        arguments: of DatasetMapper.

    Raises:
        ValueError: an image that is missing or unreadable, or not of the size that the record says.
    """

    def __init__(self, *, ignore_value: int = 255, weight_by_score: bool = False, planes: bool = False, **arguments):
        super().__init__(**arguments)
        self.planes = planes
        self.ignore_value = ignore_value
        self.weight_by_score = weight_by_score

    def __call__(self, dataset_dict):
        record = dict(dataset_dict)
        name = record["file_name"]
        try:
            image = read_image(name, self.image_format)
        except Exception as error:  # damaged files raise whatever the decoder meets: struct.error, SyntaxError, ...
            raise ValueError(f"{name}: cannot be read as an image ({error}); tools/check_data.py lists all") from error
        try:
            detection_utils.check_image_size(record, image)
        except detection_utils.SizeMismatchError as error:
            raise ValueError(f"{error} tools/check_data.py lists all such images") from error

        record.setdefault("annotations", [])
        objects = [a for a in record["annotations"] if not a.get("iscrowd", 0)]
        augmented = T.AugInput(image, boxes=xyxy_boxes(objects))
        transforms = self.augmentations(augmented)
        record["image"] = _to_tensor(augmented.image, self.planes)
        if self.is_train and "sem_seg_file_name" in record:
            classes = read_classes(record.pop("sem_seg_file_name"), image.shape[:2])
            record["sem_seg"] = transformed_classes(classes, transforms, self.ignore_value)
        if self.is_train:
            self._transform_annotations(record, transforms, augmented.image.shape[:2])
        else:
            del record["annotations"]
        return record

    def _transform_annotations(self, dataset_dict, transforms, image_shape) -> None:
        """Replace "annotations" by "instances" of the objects of which at least MIN_VISIBLE is on the image."""
        annotations = [dict(a) for a in dataset_dict["annotations"] if not a.get("iscrowd", 0)]
        boxes = transforms.apply_box(xyxy_boxes(annotations))
        keep = visible_share(boxes, image_shape) >= MIN_VISIBLE
        annotations = [a for a, kept in zip(annotations, keep, strict=True) if kept]
        # boxes all at once: Detectron2 transforms them one by one, 6 ms for a page of 60 lines
        instances = Instances(tuple(image_shape))
        instances.gt_boxes = Boxes(boxes[keep])
        instances.gt_boxes.clip(image_shape)
        instances.gt_classes = torch.tensor([int(a["category_id"]) for a in annotations], dtype=torch.int64)
        if self.weight_by_score:
            instances.gt_weights = torch.tensor([float(a.get("score", 1.0)) for a in annotations])
        if self.use_instance_mask:
            masks, has_mask = transformed_masks(annotations, transforms, image_shape, self.instance_mask_format)
            cut = np.abs(instances.gt_boxes.tensor.numpy() - boxes[keep]).max(1, initial=0) > 0.5
            tighten_boxes(instances.gt_boxes, masks, cut & has_mask.numpy())
            instances.gt_masks, instances.gt_has_mask = masks, has_mask
        instances = detection_utils.filter_empty_instances(instances, by_mask=False)
        if crowds := [a for a in dataset_dict["annotations"] if a.get("iscrowd", 0)]:
            regions = Boxes(transforms.apply_box(xyxy_boxes(crowds)))
            regions.clip(image_shape)
            instances = ImageTargets(tuple(image_shape), regions[regions.nonempty()], **instances.get_fields())
        del dataset_dict["annotations"]
        dataset_dict["instances"] = instances


def xyxy_boxes(annotations: list[dict]) -> np.ndarray:
    """(R, 4) xyxy float64 boxes of Detectron2's annotation dicts, whatever their modes."""
    boxes = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    modes = np.array([a["bbox_mode"] for a in annotations])
    for mode in set(modes.tolist()):
        rows = modes == mode
        boxes[rows] = BoxMode.convert(boxes[rows], BoxMode(mode), BoxMode.XYXY_ABS)
    return boxes


def visible_share(boxes: np.ndarray, image_shape: tuple[int, int]) -> np.ndarray:
    """Share of the area of each (R, 4) xyxy box that lies on an image of (height, width); 0 for an empty box."""
    height, width = image_shape
    inside = boxes.clip(0, [width, height, width, height])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    visible = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1])
    return np.divide(visible, area, out=np.zeros(len(boxes)), where=area > 0)


def read_image(path, image_format: str = "BGR") -> np.ndarray:
    """(H, W, 3) uint8 of an image file in "BGR" or "RGB" order, turned as its EXIF data says.

    As Detectron2's read_image for JPEG and plain PNG. Two kinds that it reads wrongly are mended: 16-bit grey is
    scaled to 8 bits (not cut off at 255, which turns a scan white), and transparent pixels show white paper (not
    whatever colour lies below, mostly black).

    Raises:
        OSError: a missing file, one that is no image, or one of floats.
    """
    # opened here: of a name Pillow maps an uncompressed TIFF into memory, and scrambles one that its EXIF data turn
    opened = open(path, "rb") if isinstance(path, str | os.PathLike) else nullcontext(path)
    with opened as file, Image.open(file) as image:
        if (pixels := decoded_jpeg(image)) is not None:
            return pixels[:, :, ::-1] if image_format == "BGR" else pixels
        if image.mode == FLOAT_MODE:
            raise OSError(FLOATS)
        if orientation(image) != 1:
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode in SIXTEEN_BIT_MODES:
            levels = np.asarray(image).clip(0, 65535).astype(np.uint16) >> 8
            image = Image.fromarray(levels.astype(np.uint8))
        elif image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        if image.mode != "RGB":  # convert would copy an RGB image, too
            image = image.convert("RGB")
        pixels = np.asarray(image)
    return pixels[:, :, ::-1] if image_format == "BGR" else pixels


def _to_tensor(image: np.ndarray, planes: bool) -> torch.Tensor:
    """(H, W, C) -> (C, H, W), in memory as before unless `planes`: each kind of batch is made of its own sooner."""
    # a copy in any case: a mirrored image of one column counts as contiguous, and torch takes no negative strides
    if planes:
        return torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C"))
    return torch.from_numpy(np.array(image, order="C")).permute(2, 0, 1)
