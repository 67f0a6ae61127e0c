"""Scenes with their annotations drawn, on one sheet for people."""

import json
from pathlib import Path

import cv2
import numpy as np

from dense_det.drawing import add_legend, class_color, draw_boxes, montage

_CELL = (484, 484)


def draw_contact_sheet(folder: Path, split: str, number: int) -> np.ndarray:
    """(H, W, 3) RGB of the first scenes of `split`: boxes, outlines of masks, and corners, the first one a dot."""
    tree = json.loads((folder / f"{split}.json").read_text(encoding="utf-8"))
    names = [category["name"] for category in tree["categories"]]
    pictures = []
    for image in tree["images"][:number]:
        picture = cv2.imread(str(folder / "images" / image["file_name"]))[:, :, ::-1].copy()
        own = [a for a in tree["annotations"] if a["image_id"] == image["id"]]
        pictures.append(_draw(picture, own))
    title = f"{split}: masks outlined, boxes, corners (a dot at the document's own top left)"
    legend = [(class_color(index), name) for index, name in enumerate(names)]
    return add_legend(montage(pictures, 4, _CELL), title, legend)


def _draw(picture: np.ndarray, annotations: list[dict]) -> np.ndarray:
    boxes = [
        [a["bbox"][0], a["bbox"][1], a["bbox"][0] + a["bbox"][2], a["bbox"][1] + a["bbox"][3]] for a in annotations
    ]
    colors = [class_color(a["category_id"] - 1) for a in annotations]
    picture = draw_boxes(picture, boxes, colors=colors, width=1)
    for annotation, color in zip(annotations, colors):
        for polygon in annotation["segmentation"]:
            outline = np.array(polygon).reshape(-1, 2).round().astype(np.int32)
            cv2.polylines(picture, [outline], True, color, 2)
        quad = np.array(annotation["quad"]).reshape(4, 2).round().astype(np.int32)
        cv2.polylines(picture, [quad], True, (255, 255, 255), 1)
        cv2.circle(picture, quad[0].tolist(), 6, color, -1)
    return picture
