"""What a training image goes through: size, place on the canvas, colour, wear."""

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from detectron2.data import transforms as T

from dense_det.data.scan_wear import RandomScanWear
from dense_det.suggest import unknown

FORMATS = ("BGR", "RGB")
FLIPS = ("none", "horizontal", "vertical")


def build_augmentation(cfg, is_train: bool) -> list[T.Augmentation]:
    """Detectron2's sizes, crop and flip with cfg.INPUT.AUGMENT's scale, shift, colour and scan wear.

    In training all geometry but the crop and the flip is one resampling onto a canvas of the size that
    Detectron2's ResizeShortestEdge would give. At test time it is that resize alone, and with
    MIN_SIZE_TEST 0 nothing.

    Raises:
        ValueError: an INPUT value that has no meaning here.
    """
    inputs = cfg.INPUT
    if inputs.FORMAT not in FORMATS:
        raise ValueError(f"INPUT.FORMAT: {unknown('channel order', inputs.FORMAT, FORMATS)}")
    if not is_train and inputs.MIN_SIZE_TEST == 0:  # as Detectron2 has it: no resizing
        return []
    if not is_train:
        return [ResizeOntoCanvas([inputs.MIN_SIZE_TEST], inputs.MAX_SIZE_TEST)]

    jitter = inputs.AUGMENT
    augmentations = []
    if inputs.CROP.ENABLED:
        augmentations.append(T.RandomCrop(inputs.CROP.TYPE, inputs.CROP.SIZE))
    augmentations.append(
        ResizeOntoCanvas(
            _sizes(inputs.MIN_SIZE_TRAIN),
            inputs.MAX_SIZE_TRAIN,
            inputs.MIN_SIZE_TRAIN_SAMPLING,
            scale_range=_scale_range(jitter.SCALE_RANGE),
            shift=_strength("SHIFT", jitter.SHIFT),
            focus=_strength("FOCUS", jitter.FOCUS),
        )
    )
    flip = inputs.RANDOM_FLIP
    if flip not in FLIPS:
        raise ValueError(f"INPUT.RANDOM_FLIP: {unknown('flip', flip, FLIPS)}")
    if flip != "none":
        augmentations.append(T.RandomFlip(horizontal=flip == "horizontal", vertical=flip == "vertical"))
    color = [_strength(key, jitter[key]) for key in ("BRIGHTNESS", "CONTRAST", "SATURATION")]
    if any(color):
        augmentations.append(RandomColor(*color, channel_order=inputs.FORMAT))
    if _strength("SCAN_WEAR", jitter.SCAN_WEAR):
        augmentations.append(RandomScanWear(jitter.SCAN_WEAR, channel_order=inputs.FORMAT))
    return augmentations


def _sizes(sizes) -> list[int]:
    return [sizes] if isinstance(sizes, int) else list(sizes)


def _scale_range(value) -> tuple[float, float]:
    if len(value) != 2 or not 0 < value[0] <= value[1]:
        raise ValueError(f"INPUT.AUGMENT.SCALE_RANGE must be [smallest, largest] factor > 0, got {value}")
    return float(value[0]), float(value[1])


def _strength(key: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"INPUT.AUGMENT.{key} must be between 0 (off) and 1, got {value}")
    return float(value)


class ResizeOntoCanvas(T.Augmentation):
    """Resize by shortest edge, times a random factor, onto a canvas of the size without the factor.

    The canvas keeps the cost of a step and the padding within a batch the same whatever the factor: a page that
    grew is cut at a random place, one that shrank lies at a random place, and then it is shifted. With a factor
    above 1 a network learns from enlarged parts of pages at the cost of small ones.

    Args:
        short_edges: [smallest, largest] for sampling "range", any of them for "choice", in pixels.
        max_size: of the longer edge, in pixels.
        sampling: "range" or "choice".
        scale_range: the factor is drawn log-uniformly from it.
        shift: largest shift, as a share of the canvas' width and height.
        focus: probability that a random object decides the place: where the page is larger than the canvas, the
            canvas shows all of that object, or nothing but it.

    Raises:
        ValueError: sizes and sampling that do not fit together.
    """

    def __init__(self, short_edges, max_size, sampling="choice", scale_range=(1.0, 1.0), shift=0.0, focus=0.0):
        super().__init__()
        if sampling not in ("range", "choice"):
            raise ValueError(f"INPUT.MIN_SIZE_TRAIN_SAMPLING: {unknown('sampling', sampling, ('range', 'choice'))}")
        if not short_edges or (sampling == "range" and len(short_edges) not in (1, 2)):
            raise ValueError(f"sampling {sampling!r} needs one size, or [smallest, largest]; got {list(short_edges)}")
        if min(short_edges) <= 0 or max_size <= 0:
            raise ValueError(f"image sizes must be positive, got {list(short_edges)} and at most {max_size}")
        self._init(locals())

    def get_transform(self, image, boxes):
        height, width = image.shape[:2]
        short_edge = self.short_edges[0]
        # what is fixed draws nothing: a loader of test images leaves the global generator alone
        if len(self.short_edges) > 1 and self.sampling == "range":
            short_edge = np.random.randint(self.short_edges[0], self.short_edges[1] + 1)
        elif len(self.short_edges) > 1:
            short_edge = int(np.random.choice(self.short_edges))
        canvas_h, canvas_w = T.ResizeShortestEdge.get_output_shape(height, width, short_edge, self.max_size)
        canvas_h, canvas_w = max(canvas_h, 1), max(canvas_w, 1)
        if tuple(self.scale_range) == (1, 1) and self.shift == 0:
            return CanvasTransform((height, width), (canvas_h, canvas_w), (canvas_h, canvas_w), (0, 0))
        factor = math.exp(np.random.uniform(*np.log(self.scale_range)))
        page_h, page_w = max(round(canvas_h * factor), 1), max(round(canvas_w * factor), 1)
        x0, y0, x1, y1 = self._choose(boxes) * ([page_w / width, page_h / height] * 2)
        left = self._place(canvas_w, page_w, x0, x1)
        top = self._place(canvas_h, page_h, y0, y1)
        return CanvasTransform((height, width), (canvas_h, canvas_w), (page_h, page_w), (left, top))

    def _choose(self, boxes) -> np.ndarray:
        """The xyxy box to focus on, in pixels of the image; NaN for none."""
        if boxes is None or not len(boxes) or np.random.uniform() >= self.focus:
            return np.full(4, np.nan)
        return np.asarray(boxes[np.random.randint(len(boxes))])

    def _place(self, canvas: int, page: int, start: float, end: float) -> int:
        """Where the page begins on the canvas, along one axis; `start` and `end` of the object to show, or NaN."""
        if canvas < page and np.isfinite(start):
            bounds = np.sort([-start, canvas - end])  # from the object's start at an edge to its end at the other
            return round(np.random.uniform(*bounds.clip(canvas - page, 0)))
        within = np.random.uniform() * (canvas - page)
        return round(within + np.random.uniform(-self.shift, self.shift) * canvas)


class CanvasTransform(T.Transform):
    """Resample an image to `page` size and lay it on a canvas, `corner` (x, y) from the upper left.

    Bilinear with antialiasing, as PIL's and so Detectron2's resize (the largest difference is one grey level),
    by torch's uint8 kernel, which takes a fifth of the time. What the page does not cover gets the page's
    median border colour: paper goes on as paper.

    Args:
        source, canvas, page: (height, width) in pixels.
        corner: (x, y) of the page's upper left corner on the canvas; negative where the page is cut.
    """

    def __init__(self, source, canvas, page, corner):
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img):
        assert img.shape[:2] == tuple(self.source), (img.shape, self.source)
        if img.strides[-1] < 0:  # a BGR view on RGB memory: torch takes no negative strides, a copy would cost more
            return self.apply_image(img[..., ::-1])[..., ::-1]
        page = self._resample(img, "bilinear", antialias=True)
        frame = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
        return self._lay(page, np.median(frame, axis=0))

    def apply_segmentation(self, segmentation):
        # "nearest" takes the pixel before the right one: half a pixel off where polygons are exact
        return self._lay(self._resample(segmentation[..., None], "nearest-exact", antialias=False), 0)[..., 0]

    def apply_coords(self, coords):
        scale = np.array([self.page[1] / self.source[1], self.page[0] / self.source[0]])
        return coords * scale + np.array(self.corner)

    def _resample(self, img: np.ndarray, mode: str, antialias: bool) -> np.ndarray:
        """(H, W, C) -> (page height, page width, C)"""
        if tuple(self.page) == tuple(self.source):
            return img
        # a (1, C, H, W) view on (H, W, C) memory is channels_last, the layout of torch's fastest kernel; so is the
        # result if the first stride says so, too, which that of `[None]` behind the others does not
        pixels = torch.from_numpy(np.require(img, requirements="CW"))[None].permute(0, 3, 1, 2)
        return F.interpolate(pixels, tuple(self.page), mode=mode, antialias=antialias)[0].permute(1, 2, 0).numpy()

    def _lay(self, page: np.ndarray, fill) -> np.ndarray:
        if tuple(self.page) == tuple(self.canvas) and tuple(self.corner) == (0, 0):
            return page
        (canvas_h, canvas_w), (page_h, page_w), (x, y) = self.canvas, self.page, self.corner
        result = np.empty((canvas_h, canvas_w, page.shape[2]), page.dtype)
        result[:] = np.tile(np.asarray(fill, page.dtype), (canvas_w, 1))  # by rows: 10 times as fast as by pixels
        top, bottom, left, right = max(y, 0), min(y + page_h, canvas_h), max(x, 0), min(x + page_w, canvas_w)
        if top < bottom and left < right:
            result[top:bottom, left:right] = page[top - y : bottom - y, left - x : right - x]
        return result


class RandomColor(T.Augmentation):
    """Brightness, contrast and saturation in one linear map of colours.

    Each strength s draws a factor from [1 - s, 1 + s]: brightness scales the colours, contrast their distance to
    the image's mean, saturation their distance to grey. Unlike Detectron2's RandomSaturation it knows the order
    of the channels.
    """

    def __init__(self, brightness=0.0, contrast=0.0, saturation=0.0, channel_order="BGR"):
        super().__init__()
        self._init(locals())

    def get_transform(self, image):
        brightness, contrast, saturation = (
            1 + np.random.uniform(-s, s) for s in (self.brightness, self.contrast, self.saturation)
        )
        luma = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, RGB
        if self.channel_order == "BGR":
            luma = luma[::-1]
        mean = luma @ np.array(cv2.mean(np.ascontiguousarray(image))[:3])
        colors = saturation * np.eye(3) + (1 - saturation) * luma  # each row adds the pixel's grey
        return ColorTransform(brightness * contrast * colors, brightness * (1 - contrast) * mean)


class ColorTransform(T.Transform):
    """color -> matrix @ color + offset for each pixel of a uint8 image; nothing moves."""

    def __init__(self, matrix, offset):
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img):
        affine = np.column_stack([self.matrix, np.broadcast_to(self.offset, 3)])
        return cv2.transform(np.ascontiguousarray(img), affine)

    def apply_coords(self, coords):
        return coords

    def apply_segmentation(self, segmentation):
        return segmentation
