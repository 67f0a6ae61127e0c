"""Fonts: those that come with matplotlib, so that a document looks the same everywhere."""

from functools import cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

# family -> (regular, bold); no family of validation is in training
FAMILIES = {
    "train": (
        ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
        ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
        ("DejaVuSans-Oblique.ttf", "DejaVuSans-BoldOblique.ttf"),
    ),
    "val": (("STIXGeneral.ttf", "STIXGeneralBol.ttf"), ("STIXGeneralItalic.ttf", "STIXGeneralBolIta.ttf")),
}
MONOSPACE = "DejaVuSansMono.ttf"


@cache
def load_font(file: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of matplotlib's at a size in pixels."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file), max(size, 6))


def fit_font(file: str, size: int, text: str, width: float) -> ImageFont.FreeTypeFont:
    """The font at `size`, or smaller such that `text` is at most `width` pixels long."""
    length = load_font(file, size).getlength(text)
    return load_font(file, size if length <= width else int(size * width / length))
