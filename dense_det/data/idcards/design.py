"""How a kind of document looks: the choices that all documents of one issuer share."""

import colorsys
from dataclasses import dataclass

import numpy as np

from dense_det.data.idcards.fonts import FAMILIES

CLASSES = ("id_card", "passport", "badge", "certificate", "page")
# width, height in pixels: ID-1 (85.6 x 54 mm), an open passport's page (125 x 88 mm), A4
SIZES = {
    "id_card": (640, 404),
    "passport": (704, 496),
    "badge": (404, 640),
    "certificate": (764, 540),
    "page": (540, 764),
}
NUM_DESIGNS = {"train": 48, "val": 16}
# hues of validation, as [start, end) of the colour circle in twelfths; training has the others
HUES_OF_VAL = ((1, 2), (5, 6), (8, 9))


@dataclass(frozen=True)
class Design:
    """The template of one issuer. Training and validation share no number, hue, layout or font.

    Attributes:
        layout: even in training, odd in validation; decides where portrait, header and fields stand.
    """

    kind: str
    split: str
    number: int
    layout: int
    paper: tuple[int, int, int]
    second_paper: tuple[int, int, int]
    dark: tuple[int, int, int]
    accent: tuple[int, int, int]
    ink: tuple[int, int, int]
    regular: str
    bold: str

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.split}-{self.number}"

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, as it is drawn."""
        return SIZES[self.kind]


def make_design(kind: str, split: str, number: int) -> Design:
    """Design `number` of a kind: the same whenever it is asked for."""
    rng = np.random.default_rng([CLASSES.index(kind), len(split), number])
    hue = draw_hue(rng, split)
    family = FAMILIES[split][rng.integers(len(FAMILIES[split]))]
    white = kind in ("page", "certificate") or rng.random() < 0.3
    return Design(
        kind=kind,
        split=split,
        number=number,
        layout=2 * int(rng.integers(4)) + (split == "val"),
        paper=_rgb(hue, rng.uniform(0.01, 0.05) if white else rng.uniform(0.08, 0.3), rng.uniform(0.9, 1)),
        second_paper=_rgb(draw_hue(rng, split), rng.uniform(0.03, 0.3), rng.uniform(0.82, 0.98)),
        dark=_rgb(hue, rng.uniform(0.5, 1), rng.uniform(0.2, 0.5)),
        accent=_rgb(draw_hue(rng, split), rng.uniform(0.4, 0.9), rng.uniform(0.5, 0.85)),
        ink=_rgb(hue, rng.uniform(0, 0.6), rng.uniform(0.06, 0.2)),
        regular=family[0],
        bold=family[1],
    )


def draw_hue(rng: np.random.Generator, split: str) -> float:
    """A hue in [0, 1) of the split."""
    of_val = {twelfth for start, end in HUES_OF_VAL for twelfth in range(start, end)}
    twelfths = sorted(of_val if split == "val" else set(range(12)) - of_val)
    return (int(rng.choice(twelfths)) + rng.random()) / 12


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    return tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value))
