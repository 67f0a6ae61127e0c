"""Annotations of a COCO data set, one after the other: each problem becomes a finding, each entry is mended."""

from dataclasses import dataclass

from dense_det.data.check_entries import Category, ImageEntry, unused_ids, without_deep_fields
from dense_det.data.check_kinds import SMALL_OBJECT_PX
from dense_det.data.check_masks import inspect_mask
from dense_det.data.check_report import Report, Text
from dense_det.data.check_values import id_key, inspect_box, is_finite, is_id, is_keypoints, is_number, is_quad

_READ = ("bbox", "segmentation", "keypoints", "quad")  # fields that are looked at value by value


@dataclass
class AnnotationInspector:
    """Looks at annotations, given the images and categories by the keys of their ids.

    `min_size`, `max_size` and `max_detections` are those of `check.Settings`.
    """

    images: dict[object, ImageEntry]
    categories: dict[object, Category]
    report: Report
    min_size: int
    max_size: int
    max_detections: int

    def inspect(self, entries: list) -> list[dict]:
        """The mended annotations, each of an image that stays."""
        ids = (entry.get("id") for entry in entries if type(entry) is dict)
        fresh = unused_ids({number for number in ids if is_id(number)})
        seen, mended = set(), []
        for index, raw in enumerate(entries):
            entry = self._inspect_one(raw, f"annotations[{index}]", seen, fresh)
            if entry is not None:
                mended.append(entry)
        for image in {id(image): image for image in self.images.values()}.values():
            if image.num_objects > self.max_detections:
                value = Text(f"{image.num_objects} objects, TEST.DETECTIONS_PER_IMAGE {self.max_detections}")
                self.report.add("objects-many", value, image_id=image.raw_id, file_name=image.file_name)
        return mended

    def _inspect_one(self, raw, where: str, seen: set, fresh) -> dict | None:
        if type(raw) is not dict:
            self.report.add("annotation-not-object", raw, where)
            return None
        entry = without_deep_fields(raw, where, self.report, _READ)
        place = {"where": where, "image_id": raw.get("image_id"), "annotation_id": raw.get("id")}
        image = self._referred("image", self.images, entry, place)
        place["file_name"] = image.file_name if image else None
        category = self._referred("category", self.categories, entry, place)
        self._inspect_id(entry, seen, fresh, place)
        box_is_good = self._inspect_box(entry, image, place)
        self._inspect_flags(entry, place)
        self._inspect_shape(entry, image, place)
        if not box_is_good or image is None or category is None:
            return None

        self._inspect_area(entry, place)
        if entry["iscrowd"] == 0:
            category.count += 1
            image.num_objects += 1
            self._inspect_training_size(entry["bbox"], image, place)
        thing = (entry["category_id"], entry["iscrowd"], *entry["bbox"])
        if thing in image.boxes:
            self.report.add("bbox-duplicate", entry["bbox"], **place)
            return None
        image.boxes.add(thing)
        return None if image.dropped else entry

    def _referred(self, noun: str, known: dict, entry: dict, place: dict):
        """The image or category that `entry` belongs to, None if there is none."""
        field = f"{noun}_id"
        raw = entry.get(field)
        found = known.get(id_key(raw))
        if found is None or not is_id(raw):
            self.report.add(f"annotation-{noun}", entry.get(field, Text("missing")), **place)
        if found is not None:
            entry[field] = found.entry["id"]
        return found

    def _inspect_id(self, entry: dict, seen: set, fresh, place: dict) -> None:
        number = entry.get("id")
        if not is_id(number):
            self.report.add("annotation-id", entry.get("id", Text("missing")), **place)
        elif number in seen:
            self.report.add("annotation-id-duplicate", number, **place)
        else:
            seen.add(number)
            if number != 0:
                return
            self.report.add("annotation-id-zero", number, **place)
        entry["id"] = next(fresh)

    def _inspect_box(self, entry: dict, image: ImageEntry | None, place: dict) -> bool:
        if "bbox" not in entry:
            self.report.add("bbox-missing", Text("missing"), **place)
            return False
        kind, box = inspect_box(entry["bbox"], image.size if image else None)
        if kind:
            size = f" in {image.size[0]}x{image.size[1]}" if kind.endswith("outside") else ""
            self.report.add(kind, Text(f"{entry['bbox']}{size}") if size else entry["bbox"], **place)
        entry["bbox"] = box
        return box is not None

    def _inspect_flags(self, entry: dict, place: dict) -> None:
        crowd = entry.get("iscrowd", 0)
        if "iscrowd" not in entry:
            self.report.add("iscrowd-missing", Text("missing"), **place)
        elif type(crowd) not in (int, float, bool) or crowd not in (0, 1):
            self.report.add("iscrowd", crowd, **place)
            crowd = id_key(crowd) == 1
        entry["iscrowd"] = int(crowd)
        if "ignore" in entry and entry["ignore"] != 0:
            self.report.add("ignore", entry["ignore"], **place)
            entry["iscrowd"] = int(bool(entry.pop("ignore")) or entry["iscrowd"])

    def _inspect_shape(self, entry: dict, image: ImageEntry | None, place: dict) -> None:
        if entry.get("segmentation"):
            box = None if entry["iscrowd"] else entry.get("bbox")  # nothing learns the box of a crowd
            kind, mask = inspect_mask(entry["segmentation"], box, image.size if image else None)
            if kind:
                self.report.add(kind, entry["segmentation"], **place)
                entry["segmentation"] = mask
                if not mask:
                    del entry["segmentation"]
        if entry.get("keypoints") and not is_keypoints(entry["keypoints"]):
            self.report.add("keypoints", entry["keypoints"], **place)
            del entry["keypoints"]
        if entry.get("quad") is not None and not is_quad(entry["quad"]):
            self.report.add("quad", entry["quad"], **place)
            del entry["quad"]

    def _inspect_area(self, entry: dict, place: dict) -> None:
        area = entry.get("area")
        if is_number(area) and is_finite(area) and area >= 0:
            return
        kind = "area" if "area" in entry else "area-missing"
        self.report.add(kind, entry.get("area", Text("missing")), **place)
        entry["area"] = entry["bbox"][2] * entry["bbox"][3]

    def _inspect_training_size(self, box: list, image: ImageEntry, place: dict) -> None:
        if image.size is None:
            return
        scale = min(self.min_size / min(image.size), self.max_size / max(image.size))
        width, height = box[2] * scale, box[3] * scale
        if min(width, height) < SMALL_OBJECT_PX:
            self.report.add("object-small", Text(f"{width:.1f}x{height:.1f} px at training size"), **place)
