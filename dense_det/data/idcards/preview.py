"""A sheet that shows what was made."""

import json
from pathlib import Path

import numpy as np

from dense_det.data.mapper import read_image
from dense_det.drawing import class_color, draw_boxes, draw_masks, draw_quads, montage, save_image


def write_preview(folder: Path, count: int = 24) -> Path:
    """preview.jpg in a folder of prepare_idcards: training pictures with boxes, masks and corners; its path."""
    path, source = folder / "preview.jpg", folder / "train.json"
    if path.is_file() and path.stat().st_mtime >= source.stat().st_mtime:
        return path
    tree = json.loads(source.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in tree["categories"]}
    cells = []
    for image in tree["images"][:count]:
        entries = [entry for entry in tree["annotations"] if entry["image_id"] == image["id"]]
        picture = read_image(folder / "images" / image["file_name"], "RGB")
        colors = [class_color(entry["category_id"] - 1) for entry in entries]
        masks = [_mask(entry["segmentation"], picture.shape[:2]) for entry in entries]
        picture = draw_quads(draw_masks(picture, masks, colors, opacity=0.25), [e["quad"] for e in entries], colors)
        boxes = np.array([entry["bbox"] for entry in entries]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        cells.append(draw_boxes(picture, boxes, [names[entry["category_id"]] for entry in entries], colors, width=1))
    if cells:
        save_image(path, montage(cells, columns=6, cell=(400, 400)))
    return path


def _mask(polygons: list, shape: tuple[int, int]) -> np.ndarray:
    from detectron2.structures.masks import polygons_to_bitmask

    return polygons_to_bitmask([np.array(polygon) for polygon in polygons], *shape)
