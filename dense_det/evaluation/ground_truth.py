"""The annotations of a COCO file as arrays."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class GroundTruth:
    """G boxes of K classes on N images, ordered by image.

    Images are sorted by id, as COCOeval does it, and known by their place 0 ... N - 1.
    """

    images: list[dict]  # N dicts of the COCO file: id, file_name, width, height
    class_names: list[str]  # K
    category_ids: list[int]  # K: the id of class k in the COCO file
    image: np.ndarray  # (G,) place of the image
    boxes_xywh: np.ndarray  # (G, 4) float64
    classes: np.ndarray  # (G,)
    crowd: np.ndarray  # (G,) bool: regions where detections are not judged
    area: np.ndarray  # (G,) pixels, COCO's "area": of the mask, where there is one
    annotated: bool = True  # False for a test set, whose file has no "annotations"
    segmentations: list | None = None  # G: polygons or RLE, None for an object that has a box alone
    quads: np.ndarray | None = None  # (G, 4, 2) x, y of the corners, the document's top left first; NaN where none

    @property
    def has_masks(self) -> bool:
        """Whether any object to be found has a mask."""
        return self.segmentations is not None and any(
            segmentation and not crowd for segmentation, crowd in zip(self.segmentations, self.crowd, strict=True)
        )

    def coco(self, with_masks: bool = False) -> dict:
        """A COCO dict for `coco_stats`: image k is k, class k is k, annotations are numbered from 1.

        pycocotools takes an annotation with id 0 for unmatched, and mixes up equal ids; new numbers cannot fail so.

        Args:
            with_masks: for iou_type "segm". An object that has a box alone becomes a crowd of that box: masks found
                there are neither right nor wrong.
        """
        annotations = [
            {"id": row + 1, "image_id": image, "category_id": k, "bbox": box, "area": area, "iscrowd": int(crowd)}
            for row, (image, k, box, area, crowd) in enumerate(
                zip(
                    self.image.tolist(), self.classes.tolist(), self.boxes_xywh.tolist(),
                    self.area.tolist(), self.crowd.tolist(), strict=True,
                )
            )
        ]  # fmt: skip
        if with_masks:
            for annotation, segmentation in zip(annotations, self.segmentations, strict=True):
                if not segmentation:
                    x, y, w, h = annotation["bbox"]
                    segmentation = [[x, y, x + w, y, x + w, y + h, x, y + h]]
                    annotation["iscrowd"] = 1
                annotation["segmentation"] = segmentation
        return {
            "images": [{"id": k, "width": i["width"], "height": i["height"]} for k, i in enumerate(self.images)],
            "categories": [{"id": k, "name": name} for k, name in enumerate(self.class_names)],
            "annotations": annotations,
        }

    def counts(self) -> np.ndarray:
        """(K,) boxes to be found of each class: crowds not counted."""
        return np.bincount(self.classes[~self.crowd], minlength=len(self.class_names))


def load_ground_truth(json_file, class_of_category: dict | None = None) -> GroundTruth:
    """Read a COCO file.

    Args:
        class_of_category: category id -> class 0 ... K - 1 (Detectron2's thing_dataset_id_to_contiguous_id);
            by default the categories in the order of their ids. Annotations of other categories, and of
            images that the file does not list, are left out, as COCOeval does.

    Raises:
        ValueError: no COCO file, an image id that stands twice, an annotation without a box of four finite numbers, or
            with a "quad" that is not eight.
    """
    try:
        dataset = json.loads(Path(json_file).read_text(encoding="utf-8"))
        names = {category["id"]: category["name"] for category in dataset["categories"]}
        images = sorted({image["id"]: image for image in dataset["images"]}.values(), key=lambda image: image["id"])
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f'{json_file}: no COCO file ({reason}): expected "images" and "categories"') from error
    if class_of_category is None:
        class_of_category = {category: k for k, category in enumerate(sorted(names))}
    category_ids = sorted(class_of_category, key=class_of_category.get)
    if len(images) < len(dataset["images"]):
        (number, count), *_ = Counter(image["id"] for image in dataset["images"]).most_common(1)
        raise ValueError(f"{json_file}: {count} images have the id {number!r}: see tools/check_data.py --fix")
    place = {image["id"]: k for k, image in enumerate(images)}
    rows = [
        (place[a["image_id"]], class_of_category[a["category_id"]], _box(a, json_file), bool(a.get("iscrowd")), a)
        for a in dataset.get("annotations", [])
        if a["image_id"] in place and a["category_id"] in class_of_category
    ]
    rows.sort(key=lambda row: row[0])
    return GroundTruth(
        images=images,
        class_names=[names.get(category, str(category)) for category in category_ids],
        category_ids=category_ids,
        image=np.array([row[0] for row in rows], dtype=np.int64),
        boxes_xywh=np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4),
        classes=np.array([row[1] for row in rows], dtype=np.int64),
        crowd=np.array([row[3] for row in rows], dtype=bool),
        area=np.array([_area(row[4]) for row in rows], dtype=np.float64),
        annotated="annotations" in dataset,
        segmentations=[row[4].get("segmentation") for row in rows],
        quads=np.array([_quad(row[4], json_file) for row in rows], dtype=np.float64).reshape(-1, 4, 2),
    )


def _box(annotation: dict, json_file) -> list[float]:
    box = annotation.get("bbox")
    good = isinstance(box, (list, tuple)) and len(box) == 4 and all(isinstance(side, (int, float)) for side in box)
    if not good or not np.isfinite(box).all():
        raise ValueError(
            f"{json_file}: annotation {annotation.get('id')!r} has bbox {box!r}, expected [x, y, w, h]: "
            "see tools/check_data.py --fix"
        )
    return box


def _quad(annotation: dict, json_file) -> list[float]:
    quad = annotation.get("quad")
    if quad is None:
        return [np.nan] * 8
    if not is_quad(quad):
        raise ValueError(
            f"{json_file}: annotation {annotation.get('id')!r} has quad {quad!r}, expected the x and y of four "
            "corners, clockwise from the document's top left: see tools/check_data.py"
        )
    return quad


def is_quad(value) -> bool:
    """Whether a value is eight finite numbers."""
    good = isinstance(value, (list, tuple)) and len(value) == 8
    return good and all(type(number) in (int, float) for number in value) and bool(np.isfinite(value).all())


def _area(annotation: dict) -> float:
    area = annotation.get("area")
    return annotation["bbox"][2] * annotation["bbox"][3] if area is None else area
