"""Templates: the fixed design of an invented authority's documents, in one split only."""

import colorsys
from dataclasses import dataclass

import numpy as np

from dense_det.data.idcards.chance import pick
from dense_det.data.idcards.fonts import Family
from dense_det.data.idcards.text import LOCALES, STATES

CLASSES = ("id_card", "passport", "badge", "certificate", "page")
# width over height: ISO 7810 ID-1 and ID-3, a badge upright, A4
ASPECTS = {"id_card": 85.6 / 54, "passport": 125 / 88, "badge": 54 / 85.6, "certificate": 297 / 210, "page": 210 / 297}
NUM_TEMPLATES = {"train": 24, "val": 8}  # of each class
_DESIGNS = 2026  # the seed of the designs themselves: a template has the same look in every data set

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of the document's width and height


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand. `mark` holds a chip, a code or a seal; `zone` is the top of the MRZ, 1 for none."""

    header: str
    portrait: Box
    fields: tuple[Box, ...]
    signature: Box | None = None
    mark: Box | None = None
    zone: float = 1.0
    booklet: bool = False


# class -> split -> name of the layout; badges, certificates and pages need few words
LAYOUTS = {
    "id_card": {
        "train": {
            "left": Layout("band", (0.05, 0.26, 0.31, 0.80), ((0.35, 0.25, 0.96, 0.94),), (0.05, 0.82, 0.31, 0.96),
                           (0.76, 0.62, 0.95, 0.92)),
            "right": Layout("band", (0.70, 0.25, 0.95, 0.78), ((0.05, 0.25, 0.66, 0.94),), (0.68, 0.80, 0.96, 0.95)),
            "two columns": Layout("line", (0.04, 0.29, 0.24, 0.70),
                                  ((0.28, 0.28, 0.62, 0.95), (0.64, 0.28, 0.97, 0.95)), (0.04, 0.74, 0.24, 0.94)),
            "chip": Layout("line", (0.73, 0.24, 0.96, 0.70), ((0.25, 0.26, 0.70, 0.95),), (0.72, 0.74, 0.97, 0.92),
                           (0.06, 0.40, 0.19, 0.60)),
            "zone": Layout("band", (0.05, 0.22, 0.27, 0.67), ((0.31, 0.21, 0.96, 0.68),), zone=0.70),
            "plain": Layout("none", (0.06, 0.10, 0.36, 0.72), ((0.42, 0.22, 0.96, 0.93),), (0.08, 0.76, 0.36, 0.93)),
        },
        "val": {
            "side": Layout("side", (0.16, 0.12, 0.42, 0.66), ((0.46, 0.10, 0.96, 0.92),), (0.16, 0.72, 0.42, 0.92)),
            "foot": Layout("foot", (0.71, 0.07, 0.95, 0.56), ((0.05, 0.07, 0.68, 0.76),), (0.71, 0.58, 0.96, 0.76)),
            "middle": Layout("band", (0.38, 0.26, 0.62, 0.76), ((0.04, 0.27, 0.36, 0.95), (0.65, 0.27, 0.97, 0.95)),
                             (0.38, 0.79, 0.62, 0.95)),
        },
    },
    "passport": {
        "train": {
            "data page": Layout("line", (0.04, 0.18, 0.30, 0.70), ((0.34, 0.17, 0.96, 0.78),), zone=0.80),
            "two columns": Layout("band", (0.04, 0.22, 0.29, 0.72), ((0.32, 0.2, 0.65, 0.78), (0.67, 0.2, 0.97, 0.78)),
                                  zone=0.81),
            "booklet": Layout("line", (0.05, 0.20, 0.31, 0.72), ((0.35, 0.19, 0.96, 0.78),), (0.62, 0.62, 0.95, 0.77),
                              zone=0.81, booklet=True),
        },
        "val": {
            "right": Layout("none", (0.70, 0.10, 0.96, 0.62), ((0.05, 0.12, 0.66, 0.77),), (0.70, 0.63, 0.96, 0.77),
                            zone=0.80),
            "right booklet": Layout("band", (0.69, 0.22, 0.95, 0.74), ((0.05, 0.21, 0.66, 0.78),), zone=0.81,
                                    booklet=True),
        },
    },
    "badge": {
        "train": {
            "band": Layout("band", (0.22, 0.24, 0.78, 0.64), ((0.06, 0.66, 0.94, 0.86),),
                           mark=(0.15, 0.88, 0.85, 0.96)),
            "line": Layout("line", (0.27, 0.22, 0.73, 0.55), ((0.06, 0.58, 0.94, 0.78),),
                           mark=(0.36, 0.80, 0.64, 0.97)),
            "left": Layout("band", (0.08, 0.25, 0.50, 0.58), ((0.08, 0.62, 0.94, 0.84),),
                           mark=(0.56, 0.38, 0.88, 0.58)),
        },
        "val": {
            "foot": Layout("foot", (0.20, 0.12, 0.80, 0.52), ((0.06, 0.55, 0.94, 0.74),)),
            "right": Layout("side", (0.44, 0.14, 0.92, 0.52), ((0.20, 0.56, 0.95, 0.78),),
                            mark=(0.22, 0.84, 0.90, 0.95)),
        },
    },
    "certificate": {
        "train": {
            "double frame": Layout("double", (0, 0, 0, 0), ((0.12, 0.12, 0.88, 0.74),), mark=(0.42, 0.74, 0.58, 0.94)),
            "thick frame": Layout("thick", (0, 0, 0, 0), ((0.12, 0.14, 0.88, 0.74),), mark=(0.10, 0.10, 0.24, 0.30)),
            "corners": Layout("corners", (0, 0, 0, 0), ((0.10, 0.14, 0.90, 0.72),), mark=(0.76, 0.10, 0.90, 0.30)),
        },
        "val": {
            "waves": Layout("waves", (0, 0, 0, 0), ((0.14, 0.15, 0.86, 0.73),), mark=(0.42, 0.76, 0.56, 0.95)),
            "stripe": Layout("stripe", (0, 0, 0, 0), ((0.20, 0.12, 0.94, 0.74),), mark=(0.03, 0.70, 0.15, 0.90)),
        },
    },
    "page": {
        "train": {
            "one column": Layout("title", (0, 0, 0, 0), ((0.11, 0.10, 0.89, 0.93),)),
            "two columns": Layout("title", (0, 0, 0, 0), ((0.08, 0.14, 0.48, 0.94), (0.52, 0.14, 0.92, 0.94))),
            "letter": Layout("letter", (0, 0, 0, 0), ((0.13, 0.24, 0.87, 0.88),)),
        },
        "val": {
            "wide margin": Layout("title", (0, 0, 0, 0), ((0.26, 0.10, 0.92, 0.92),)),
            "three columns": Layout("title", (0, 0, 0, 0),
                                    ((0.06, 0.16, 0.34, 0.94), (0.36, 0.16, 0.64, 0.94), (0.66, 0.16, 0.94, 0.94))),
        },
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """One authority's design of one class; `hue` from 0 to 1, `corner` a share of the shorter side."""

    name: str
    kind: str
    split: str
    layout_name: str
    layout: Layout
    family: Family
    locale: str
    state: str
    hue: float
    pattern: str
    corner: float
    decoration: str

    def color(self, saturation: float, value: float, shift: float = 0.0) -> tuple[int, int, int]:
        """RGB of this design's hue, moved by `shift` of the circle; saturation and value from 0 to 1."""
        red, green, blue = colorsys.hsv_to_rgb((self.hue + shift) % 1, saturation, value)
        return round(255 * red), round(255 * green), round(255 * blue)

    def record(self) -> dict:
        """What a manifest tells about it."""
        return {
            "name": self.name, "layout": self.layout_name, "font": self.family.name, "locale": self.locale,
            "state": self.state, "hue": round(self.hue, 3),
        }  # fmt: skip


def make_templates(split: str, families: list[Family]) -> dict[str, list[Template]]:
    """The designs of `split` ("train" or "val") by class; layouts, fonts, languages, hues are its own."""
    return {
        kind: [_design(split, kind, number, families) for number in range(NUM_TEMPLATES[split])] for kind in CLASSES
    }


def _design(split: str, kind: str, number: int, families: list[Family]) -> Template:
    rng = np.random.default_rng([_DESIGNS, ("train", "val").index(split), CLASSES.index(kind), number])
    layouts = LAYOUTS[kind][split]
    layout_name = list(layouts)[number % len(layouts)]
    # the circle of hues in twelfths: every third belongs to val
    twelfth = pick(rng, [k for k in range(12) if (k % 3 == 2) == (split == "val")])
    return Template(
        name=f"{split}/{kind}/{number:02d}",
        kind=kind,
        split=split,
        layout_name=layout_name,
        layout=layouts[layout_name],
        family=families[int(rng.integers(len(families)))],
        locale=pick(rng, LOCALES[split]),
        state=pick(rng, STATES[split]),
        hue=(twelfth + rng.uniform(0.1, 0.9)) / 12,
        pattern=pick(rng, ["waves", "rosette", "mesh", "none"], [0.4, 0.25, 0.2, 0.15]),
        corner=0.06 if kind in ("id_card", "badge") else 0.025 if kind == "passport" else 0.0,
        decoration=pick(rng, ["chip", "qr", "bars"]),
    )
