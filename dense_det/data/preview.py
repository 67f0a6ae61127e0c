"""Training batches as pictures for people."""

import math

import numpy as np
import torch

from dense_det.drawing import add_legend, class_color, draw_boxes, montage


def draw_batch(batch: list[dict], class_names: list[str], input_format: str) -> np.ndarray:
    """(H, W, 3) RGB uint8 montage of a batch as the network sees it, with its boxes in their classes' colours.

    The classes stand above it: names on every box would hide the small ones.

    Args:
        batch: as a training loader gives it: "image" (3, H, W) and, where there are boxes, "instances".
        class_names: of the data set; a class without a name shows its number.
        input_format: channel order of "image", "BGR" or "RGB".

    Raises:
        ValueError: no image in the batch.
    """
    if not batch:
        raise ValueError("cannot draw a batch without images")
    pictures = [_draw(record, input_format) for record in batch]
    columns = math.ceil(math.sqrt(len(pictures)))
    border = 8  # of montage's cells: pictures are shown at their own size
    cell = (max(p.shape[1] for p in pictures) + border, max(p.shape[0] for p in pictures) + border)
    classes = [k for record in batch if "instances" in record for k in record["instances"].gt_classes.tolist()]
    entries = [(class_color(k), class_names[k] if k < len(class_names) else str(k)) for k in sorted(set(classes))]
    title = f"{len(batch)} images, {len(classes)} boxes"
    return add_legend(montage(pictures, columns, cell), title, entries)


def _draw(record: dict, input_format: str) -> np.ndarray:
    picture = to_rgb(record["image"], input_format)
    if "instances" not in record:
        return picture
    boxes = record["instances"].gt_boxes.tensor.cpu().numpy()
    colors = [class_color(k) for k in record["instances"].gt_classes.tolist()]
    return draw_boxes(picture, boxes, colors=colors, width=1)


def to_rgb(image: torch.Tensor, input_format: str) -> np.ndarray:
    """(3, H, W) in `input_format`, uint8 or float from 0 to 255 -> (H, W, 3) RGB uint8."""
    pixels = image.detach().cpu().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return np.ascontiguousarray(pixels[:, :, ::-1] if input_format == "BGR" else pixels)
