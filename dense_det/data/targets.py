"""What a detector has to learn from one image, and where on it nothing is judged."""

from detectron2.structures import Boxes, Instances


class ImageTargets(Instances):
    """Instances of the objects, and beside them boxes of regions that are neither object nor background.

    `ignore_boxes` (any number of them, in pixels of the image) move along with `to`; a selection of rows is plain
    Instances, without them.
    """

    def __init__(self, image_size: tuple[int, int], ignore_boxes: Boxes, **fields):
        super().__init__(image_size, **fields)
        self._ignore_boxes = ignore_boxes

    @property
    def ignore_boxes(self) -> Boxes:
        return self._ignore_boxes

    def to(self, *args, **kwargs) -> "ImageTargets":
        moved = super().to(*args, **kwargs)
        return ImageTargets(self.image_size, self._ignore_boxes.to(*args, **kwargs), **moved.get_fields())
