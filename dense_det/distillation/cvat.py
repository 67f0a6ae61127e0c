"""CVAT's XML "for images 1.1": images with boxes for it, and what comes back."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable

from dense_det.atomic_file import atomic_file
from dense_det.distillation.image_name import printable
from dense_det.distillation.review import DECIMALS, ReviewImage, name_and_size, other_shape, review_box

_READ = {"box", "tag"}  # a tag is a word about the whole image
# what CVAT says of boxes that came from a file: the file's own word, in newer versions "file" of all; other programs
# say nothing. A person's are "manual" or "semi-auto"; one that only got another class keeps its word
_UPLOADED = {"auto", "file", None}


def write_cvat(path, images: Iterable[ReviewImage], classes: list[str]) -> None:
    """CVAT's "for images 1.1"; names that XML cannot hold are written as image_name.printable has them.

    CVAT looks for the frame of that name, and where there is none takes the frame with the number `id`: the numbers
    are those that it gives the images of a task, in the order of their names.

    Args:
        images: named by their paths from the folder of which the task is made.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    labels = ET.SubElement(ET.SubElement(ET.SubElement(root, "meta"), "task"), "labels")
    for name in classes:
        ET.SubElement(ET.SubElement(labels, "label"), "name").text = name
    for number, image in enumerate(sorted(images, key=lambda image: image.file_name)):
        size = {"width": str(image.width), "height": str(image.height)}
        element = ET.SubElement(root, "image", id=str(number), name=printable(image.file_name), **size)
        for box in image.boxes:
            corners = zip(("xtl", "ytl", "xbr", "ybr"), box.box, strict=True)
            sides = {key: f"{side:.{DECIMALS}f}" for key, side in corners}
            ET.SubElement(element, "box", label=box.label, occluded="0", source="auto", z_order="0", **sides)
    ET.indent(root)
    with atomic_file(path, "wb") as file:
        ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def read_cvat(file) -> list[ReviewImage]:
    """All images of an export "for images 1.1": it does not say which of them a person has seen; see untouched.py.

    Args:
        file: its path, or open to be read.

    Raises:
        ValueError, and what a tree of another shape raises: see read_review.
    """
    try:
        root = ET.parse(file).getroot()
    except (ET.ParseError, ValueError, LookupError) as error:  # the last two: of its encoding
        raise ValueError(f"not XML ({error}): expected CVAT's export") from error
    if root.find("track") is not None:
        raise ValueError('tracks, as in "CVAT for video": export from CVAT as "CVAT for images 1.1"')
    images = []
    for image in root.iter("image"):
        name, size = name_and_size(*(image.get(key) for key in ("name", "width", "height")))
        if other := next((child.tag for child in image if child.tag not in _READ), None):
            raise ValueError(other_shape(name, other))
        boxes = [
            review_box(name, size, box.get("label"), map(box.get, ("xtl", "ytl", "xbr", "ybr")), box.get("rotation"))
            for box in image.iter("box")
        ]
        as_uploaded = all(child.get("source") in _UPLOADED for child in image) if len(image) else None
        images.append(ReviewImage(name, *size, tuple(boxes), as_uploaded))
    return images
