"""Views of an image: sizes and mirror images that a teacher looks at, and the way back to the image's own pixels."""

from dataclasses import dataclass

import numpy as np

from dense_det.data.augmentation import ResizeOntoCanvas

OWN_SIZE = 0  # as short edge: the size that the detector itself wants, such as an ONNX file's fixed input


@dataclass(frozen=True, slots=True)
class View:
    """Resized to a `short_edge` in pixels (OWN_SIZE: not resized), then mirrored left to right if `flip`."""

    short_edge: int
    flip: bool = False

    def __str__(self) -> str:
        return f"{self.short_edge or 'own'}{'f' if self.flip else ''}"


@dataclass(frozen=True, slots=True)
class Look:
    """How an image of `source` (height, width) pixels was shown: at `shown` (height, width), mirrored or not."""

    source: tuple[int, int]
    shown: tuple[int, int]
    flip: bool

    def to_view(self, boxes: np.ndarray) -> np.ndarray:
        """(R, 4) xyxy boxes in pixels of the image -> in pixels of the view."""
        (height, width), (shown_height, shown_width) = self.source, self.shown
        boxes = np.asarray(boxes, np.float64) * np.tile([shown_width / width, shown_height / height], 2)
        return _mirrored(boxes, shown_width) if self.flip else boxes

    def to_image(self, boxes: np.ndarray) -> np.ndarray:
        """The exact inverse of `to_view`."""
        (height, width), (shown_height, shown_width) = self.source, self.shown
        boxes = np.asarray(boxes, np.float64)
        boxes = _mirrored(boxes, shown_width) if self.flip else boxes
        return boxes * np.tile([width / shown_width, height / shown_height], 2)


def look(image: np.ndarray, view: View, max_size: int) -> tuple[np.ndarray, Look]:
    """(H, W, 3) uint8 -> the pixels of a view, (h, w, 3) uint8, and how it was shown.

    Sizes and interpolation are those of testing (antialiased bilinear, as Detectron2's ResizeShortestEdge).

    Args:
        max_size: of the longer edge, in pixels; it wins over `short_edge`.
    """
    source = image.shape[:2]
    if view.short_edge != OWN_SIZE:
        image = ResizeOntoCanvas([view.short_edge], max_size).get_transform(image, None).apply_image(image)
    if view.flip:
        image = image[:, ::-1]
    return image, Look(source, image.shape[:2], view.flip)


def build_views(cfg) -> tuple[View, ...]:
    """The views that a detector has learned to see: the test size, and the ends of its training range.

    Mirrored only if training mirrored: a mirrored document is no document.
    """
    sizes = cfg.INPUT.MIN_SIZE_TRAIN
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    low, high = cfg.INPUT.AUGMENT.SCALE_RANGE
    edges = {round(min(sizes) * low), cfg.INPUT.MIN_SIZE_TEST, round(max(sizes) * high)}
    flips = (False, True) if cfg.INPUT.RANDOM_FLIP == "horizontal" else (False,)
    return tuple(View(edge, flip) for edge in sorted(edges) for flip in flips)


def parse_views(text: str) -> tuple[View, ...]:
    """ "320,480,480f,own" -> views; f is mirrored.

    Raises:
        ValueError: another form, or a view named twice.
    """
    views = []
    for word in text.split(","):
        edge = word.strip().removesuffix("f")
        if edge != "own" and not (edge.isdecimal() and int(edge) > 0):
            raise ValueError(f"a view is a short edge in pixels, mirrored with f ('480', '480f', 'own'), got {word!r}")
        views.append(View(OWN_SIZE if edge == "own" else int(edge), word.strip().endswith("f")))
    if len(set(views)) < len(views):
        raise ValueError(f"a view is named twice: {text}")
    return tuple(views)


def _mirrored(boxes: np.ndarray, width: int) -> np.ndarray:
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
