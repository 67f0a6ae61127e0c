"""A picture to time decoders and detectors with, where none is given: a drawn page, the same each time."""

import io

import numpy as np
from PIL import Image, ImageDraw

ENLARGED = 1.6  # times the input's size: pictures are mostly larger than what a network sees


def sample_jpeg(size: tuple[int, int], quality: int = 90) -> bytes:
    """A JPEG file of a page with lines, boxes and grain, ENLARGED times (height, width) pixels."""
    height, width = (round(ENLARGED * side) for side in size)
    numbers = np.random.default_rng(0)
    page = Image.new("RGB", (width, height), (250, 248, 240))
    pen = ImageDraw.Draw(page)
    line = max(6, height // 60)
    for top in range(line, height - 2 * line, 2 * line):
        left = line
        while left < width - 2 * line:
            length = int(numbers.integers(line, 6 * line))
            right = min(left + length, width - line)
            pen.rectangle((left, top, right, top + line // 2), fill=tuple(numbers.integers(20, 90, 3).tolist()))
            left = right + line // 2
    for _ in range(4):
        left, top = int(numbers.integers(0, width * 3 // 4)), int(numbers.integers(0, height * 3 // 4))
        color = tuple(numbers.integers(60, 220, 3).tolist())
        pen.rectangle((left, top, left + width // 5, top + height // 5), fill=color, outline=(30, 30, 30), width=2)
    grain = numbers.normal(0, 6, (height, width, 1))
    pixels = (np.asarray(page) + grain).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality)
    return file.getvalue()
