"""Boxes, masks, corners, legends and montages on RGB pictures: uint8 arrays (H, W, 3)."""

import colorsys
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dense_det.atomic_file import atomic_file

# Okabe and Ito (2008) and Paul Tol's "muted", the ones that stand out on white paper and on photos
PALETTE = (
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233),
    (51, 34, 136), (136, 34, 85), (153, 153, 51), (17, 119, 51), (204, 102, 119), (85, 85, 85),
)  # fmt: skip
PAPER, INK = (255, 255, 255), (30, 30, 30)
JPEG_EDGE = 65_500  # pixels: the longest that libjpeg writes


def class_color(index: int) -> tuple[int, int, int]:
    """RGB of class `index`: twelve that colour-blind readers tell apart, too; then hues at the golden angle."""
    if index < len(PALETTE):
        return PALETTE[index]
    step = index - len(PALETTE)
    rgb = colorsys.hls_to_rgb(0.618034 * step % 1, (0.3, 0.4, 0.5)[step % 3], 0.7)
    return tuple(round(255 * channel) for channel in rgb)


def line_width(size) -> int:
    """Pixels of a line that is still seen where a picture of (height, width) is shown whole on a screen, and does not
    fill a long and narrow one."""
    return max(2, min(round(max(size) / 500), min(size) // 20))


def draw_boxes(image, boxes, labels=None, colors=None, width: int | None = None) -> np.ndarray:
    """A copy of `image` with outlined boxes; parts outside the picture are cut, boxes with NaN are left out.

    Labels stand above their box where there is room, else below or inside, away from the labels before them.

    Args:
        image: (H, W, 3) RGB uint8.
        boxes: (R, 4) xyxy in pixels.
        labels: R strings; "" draws none.
        colors: one RGB tuple for all or a list of R; by default `class_color` of the row.
        width: of the outline, in pixels, inwards; None is line_width of the picture.

    Raises:
        ValueError: another kind of picture, or numbers of boxes, labels and colours that differ.
    """
    image = _checked(image)
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    labels = [""] * len(boxes) if labels is None else list(labels)
    if colors is None:
        colors = [class_color(row) for row in range(len(boxes))]
    elif len(colors) and np.ndim(colors[0]) == 0:
        colors = [colors] * len(boxes)
    if not len(labels) == len(boxes) == len(colors):
        raise ValueError(f"{len(boxes)} boxes need as many labels and colours, got {len(labels)} and {len(colors)}")
    height, wide = image.shape[:2]
    visible = [
        (corners, label, tuple(int(c) for c in color))
        for box, label, color in zip(boxes, labels, colors, strict=True)
        if (corners := _pixels(box, (wide, height)))
    ]
    image = image.copy()
    for corners, _, color in visible:
        _outline(image, corners, color, width or line_width((height, wide)))
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    font = _font(max(11, min(max(canvas.size) // 66, min(canvas.size) // 3)))
    taken = np.zeros((0, 4))
    for corners, label, color in visible:
        if label:
            place = _place(label, corners, font, canvas.size, taken)
            _write_label(pen, place, label, font, color)
            taken = np.vstack([taken, place])
    return np.array(canvas)


def draw_masks(image, masks, colors, opacity: float = 0.4) -> np.ndarray:
    """A copy of `image` with each mask, (H, W) bool, tinted in its colour."""
    image = _checked(image).copy()
    for mask, color in zip(masks, colors, strict=True):
        tinted = (1 - opacity) * image[mask] + opacity * np.array(color)
        image[mask] = tinted.round().astype(np.uint8)
    return image


def draw_quads(image, quads, colors, width: int | None = None) -> np.ndarray:
    """A copy of `image` with outlined quadrilaterals, and a dot on the first corner of each.

    Args:
        quads: (R, 4, 2) x, y in pixels; those with NaN are left out.
        width: of the outline, in pixels; None is line_width of the picture.
    """
    canvas = Image.fromarray(_checked(image))
    width = width or line_width(canvas.size)
    pen = ImageDraw.Draw(canvas)
    for quad, color in zip(np.asarray(quads, dtype=np.float64).reshape(-1, 4, 2), colors, strict=True):
        if np.isfinite(quad).all():
            corners = [tuple(corner) for corner in quad.tolist()]
            pen.line([*corners, corners[0]], fill=tuple(color), width=width, joint="curve")
            (x, y), radius = corners[0], 2 * width
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(color), outline=PAPER)
    return np.array(canvas)


def montage(images, columns: int, cell: tuple[int, int] = (320, 320)) -> np.ndarray:
    """Pictures in rows of `columns` cells of (width, height) pixels, shrunk or grown to fit, on white.

    The result is (rows * height, columns * width, 3), with rows = ceil(len(images) / columns).

    Raises:
        ValueError: no pictures, or another kind of picture.
    """
    images = [_checked(image) for image in images]
    if not images or columns < 1:
        raise ValueError(f"a montage needs pictures and columns, got {len(images)} and {columns}")
    width, height = cell
    rows = -(-len(images) // columns)
    canvas = Image.new("RGB", (columns * width, rows * height), PAPER)
    gap = 4
    for index, image in enumerate(images):
        scale = min((width - 2 * gap) / image.shape[1], (height - 2 * gap) / image.shape[0])
        picture = Image.fromarray(resize(image, scale))
        left = index % columns * width + (width - picture.width) // 2
        top = index // columns * height + (height - picture.height) // 2
        canvas.paste(picture, (left, top))
        ImageDraw.Draw(canvas).rectangle(
            (left - 1, top - 1, left + picture.width, top + picture.height), outline=(200, 200, 200)
        )
    return np.array(canvas)


def add_legend(image, title: str, entries) -> np.ndarray:
    """`image` below a white strip: a title, then on the next lines a coloured square and a text for each of `entries`.

    Args:
        entries: pairs (RGB, text).
    """
    image = _checked(image)
    width = image.shape[1]
    size = int(np.clip(max(image.shape) / 55, 11, 22))
    font, line, pad = _font(size), round(1.5 * size), size // 2
    while title and font.getlength(title) > width - 2 * pad:
        title = "…" + title[2:]  # the end of a path says more than its beginning
    spots, x, y = [], pad, pad // 2 + line
    for color, text in entries:
        step = font.getlength(text) + 2.6 * size
        if x > pad and x + step > width:
            x, y = pad, y + line
        spots.append((x, y, color, text))
        x += step
    strip = Image.new("RGB", (width, y + line + pad // 2), PAPER)
    pen = ImageDraw.Draw(strip)
    pen.text((pad, pad // 2 + line // 2), title, fill=INK, font=font, anchor="lm")
    for x, y, color, text in spots:
        pen.rectangle((x, y + line // 2 - size // 2, x + size, y + line // 2 + size // 2), fill=color)
        pen.text((x + 1.5 * size, y + line // 2), text, fill=INK, font=font, anchor="lm")
    return np.vstack([np.asarray(strip), image])


def resize(image, scale: float) -> np.ndarray:
    """`image` with both sides times `scale`, at least one pixel, antialiased."""
    size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def save_image(path, image) -> None:
    """Write an RGB picture as the .png or .jpg that `path` says, whole or not at all; a .jpg with an edge longer than
    JPEG_EDGE is shrunk to it."""
    image, jpeg = _checked(image), Path(path).suffix.lower() in (".jpg", ".jpeg")
    if jpeg and max(image.shape) > JPEG_EDGE:
        image = resize(image, JPEG_EDGE / max(image.shape))
    with atomic_file(path, "wb") as file:
        if jpeg:
            Image.fromarray(image).save(file, format="JPEG", quality=92, subsampling=0)
        else:
            Image.fromarray(image).save(file, format="PNG")


def _checked(image) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"expected an RGB picture, uint8 (H, W, 3), got {image.dtype} {image.shape}")
    return np.ascontiguousarray(image)


def _pixels(box, size) -> tuple[int, int, int, int] | None:
    """First and last pixel (x0, y0, x1, y1) of an xyxy box inside a picture; None when nothing of it is."""
    if not np.isfinite(box).all():
        return None
    x0, y0 = (max(0, round(side)) for side in box[:2])
    x1, y1 = (min(limit, round(side)) - 1 for side, limit in zip(box[2:], size, strict=True))
    # a line thinner than a pixel is still drawn
    x1, y1 = max(x0, x1), max(y0, y1)
    return (x0, y0, x1, y1) if x0 < size[0] and y0 < size[1] and box[2] > 0 and box[3] > 0 else None


def _outline(image, corners, color, width: int) -> None:
    """Paint the frame of `width` pixels of a rectangle, in place."""
    x0, y0, x1, y1 = corners
    inside = image[y0 : y1 + 1, x0 : x1 + 1]
    # a band of all pixels when the rectangle is thinner than its frame
    inside[:width] = inside[-width:] = color
    inside[:, :width] = inside[:, -width:] = color


@cache
def _font(size: int):
    import matplotlib  # brings DejaVu: the same letters on every machine; what only runs a detector does without it

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _place(label: str, corners, font, size, taken) -> np.ndarray:
    """(x0, y0, x1, y1) of a label: the first place near its box that overlaps no other, or the freest."""
    width, height = font.getlength(label) + 6, font.size + 5
    x0, y0, x1, y1 = corners
    right, bottom = x1 + 1 - width, y1 + 1
    tops = (y0 - height, bottom, y0, bottom - height)
    spots = [(x, y) for y in tops for x in (x0, right)] + [(x1 + 1, y0), (x0 - width, y0)]
    spots = np.array(spots)
    # only places inside the picture, or moved inside when the picture is too small for any
    inside = (spots >= 0).all(1) & (spots + (width, height) <= size).all(1)
    moved = np.clip(spots, 0, np.maximum(np.array(size) - (width, height), 0))
    places = np.hstack([moved, moved + (width, height)])
    shared = np.minimum(places[:, None, 2:], taken[None, :, 2:]) - np.maximum(places[:, None, :2], taken[None, :, :2])
    covered = np.clip(shared, 0, None).prod(-1).sum(1)
    return places[np.lexsort((~inside, covered))[0]]


def _write_label(pen, place, label: str, font, color) -> None:
    """The label on a plate of the box's colour, in black or white, whichever reads better."""
    x0, y0, x1, y1 = place.round().astype(int).tolist()
    luminance = np.dot(color, (0.299, 0.587, 0.114))
    pen.rectangle((x0, y0, x1 - 1, y1 - 1), fill=color)
    pen.text((x0 + 3, (y0 + y1) / 2), label, fill=INK if luminance > 140 else PAPER, font=font, anchor="lm")
