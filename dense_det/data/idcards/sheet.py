"""The surface that a document is drawn on: places are shares of its sides, so that any number of pixels will do."""

import numpy as np
from PIL import Image, ImageDraw

from dense_det.data.idcards.fonts import Family, load_font
from dense_det.data.idcards.template import Box


class Sheet:
    """An RGB picture with a pen.

    Args:
        ground: (height, width, 3) uint8, what is printed under everything.
        family: its typeface.
    """

    def __init__(self, ground: np.ndarray, family: Family):
        self.image = Image.fromarray(ground)
        self.pen = ImageDraw.Draw(self.image)
        self.family = family
        self.width, self.height = self.image.size

    def pixels(self, box: Box) -> tuple[int, int, int, int]:
        x0, y0, x1, y1 = box
        return round(x0 * self.width), round(y0 * self.height), round(x1 * self.width), round(y1 * self.height)

    def thickness(self, share: float) -> int:
        """A line's width in pixels, for a share of the height."""
        return max(1, round(share * self.height))

    def text(self, x: float, y: float, text: str, size: float, fill, bold=False, anchor="la", limit=1.0) -> float:
        """Write a line of letters of `size` (share of the height), made narrower than `limit`; the width it took."""
        file = self.family.bold if bold else self.family.regular
        pixels = max(6, round(size * self.height))
        font = load_font(file, pixels)
        room = limit * self.width
        wide = font.getlength(text)
        if wide > room:
            font = load_font(file, max(6, int(pixels * max(0.55, room / wide))))
            wide = font.getlength(text)
        while wide > room and text:
            text = text[: min(len(text) - 1, int(len(text) * room / wide))]
            wide = font.getlength(text)
        self.pen.text((x * self.width, y * self.height), text, font=font, fill=fill, anchor=anchor)
        return wide / self.width

    def box(self, box: Box, fill=None, outline=None, line: float = 0.005, radius: float = 0.0) -> None:
        x0, y0, x1, y1 = self.pixels(box)
        if x1 > x0 and y1 > y0:
            self.pen.rounded_rectangle(
                (x0, y0, x1 - 1, y1 - 1), radius * self.height, fill, outline, self.thickness(line) if outline else 1
            )

    def line(self, points, fill, width: float = 0.005) -> None:
        """A line through `points` (x, y), shares of the sides."""
        scaled = [(x * self.width, y * self.height) for x, y in points]
        self.pen.line(scaled, fill=fill, width=self.thickness(width), joint="curve")

    def paste(self, picture: np.ndarray, box: Box) -> None:
        x0, y0, _, _ = self.pixels(box)
        self.image.paste(Image.fromarray(picture), (x0, y0))

    def array(self) -> np.ndarray:
        return np.asarray(self.image)
