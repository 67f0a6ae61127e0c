"""Images of a CVAT export that nobody has changed: CVAT does not tell whether somebody looked at them."""

from collections import Counter

from dense_det.distillation.review import DECIMALS, ReviewImage, xywh
from dense_det.distillation.review_name import ReviewNames


def split_untouched(coco: dict, reviewed: list[ReviewImage]) -> tuple[list[ReviewImage], list[ReviewImage]]:
    """(changed, untouched): of the latter all boxes came from a file, and are those of `coco`, neither more nor fewer.

    Of an image that `coco` dropped, the boxes are not known: there it is enough that all came from a file.

    Raises:
        ValueError: an image whose boxes all came from a file is not found.
    """
    image_ids = {row["file_name"]: row["id"] for row in coco["images"]}
    names, ours = ReviewNames(image_ids), _boxes_by_image(coco)
    changed, untouched = [], []
    for image in reviewed:
        is_untouched = image.as_uploaded
        if is_untouched and (image_id := image_ids.get(names.find(image.file_name))) is not None:
            is_untouched = Counter((box.label, *xywh(box)) for box in image.boxes) == ours.get(image_id)
        (untouched if is_untouched else changed).append(image)
    return changed, untouched


def _boxes_by_image(coco: dict) -> dict[int, Counter]:
    """How often an image has a box of (class, x, y, width, height)."""
    classes = {row["id"]: row["name"] for row in coco["categories"]}
    boxes = {}
    for row in coco["annotations"]:
        box = classes.get(row.get("category_id")), *(round(side, DECIMALS) for side in row.get("bbox", ()))
        boxes.setdefault(row["image_id"], Counter())[box] += 1
    return boxes
