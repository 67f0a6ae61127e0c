"""A document: drawn from a template for one person, flat and evenly lit, before it goes into a scene."""

from dataclasses import dataclass

import cv2
import numpy as np

from dense_det.data.idcards.card import draw_badge, draw_card
from dense_det.data.idcards.certificate import draw_certificate
from dense_det.data.idcards.page import draw_page, real_page
from dense_det.data.idcards.person import invent_person
from dense_det.data.idcards.portrait import FACES
from dense_det.data.idcards.template import ASPECTS, Template


@dataclass(frozen=True, slots=True)
class Document:
    """`image` (h, w, 3) RGB; `alpha` (h, w) uint8, 0 beyond its rounded corners; `face` its number or None."""

    kind: str
    image: np.ndarray
    alpha: np.ndarray
    template: str
    face: int | None


def draw_document(
    rng: np.random.Generator, template: Template, longer: int, page: str | None = None, name: str | None = None
) -> Document:
    """A new document of `template`.

    Args:
        longer: pixels of its longer side; of an open passport, of one half's.
        page: the picture of a real page to take instead of drawing one.
        name: what to record as its template; None: the template's own name.
    """
    kind = template.kind
    face = None
    if kind == "page" and page is not None:
        image = real_page(rng, page, longer)
    else:
        aspect = ASPECTS[kind]
        size = (longer, round(longer / aspect)) if aspect > 1 else (round(longer * aspect), longer)
        person = invent_person(rng, template.locale)
        if kind in ("certificate", "page"):
            image = (draw_certificate if kind == "certificate" else draw_page)(rng, template, person, size)
        else:
            faces = FACES[template.split]
            face = faces[int(rng.integers(len(faces)))]
            image = (draw_badge if kind == "badge" else draw_card)(rng, template, person, face, size)
    return Document(kind, image, rounded_alpha(image.shape[:2], template.corner), name or template.name, face)


def rounded_alpha(shape: tuple[int, int], corner: float) -> np.ndarray:
    """(h, w) uint8: 255 within a rectangle with rounded corners, 0 beyond; `corner` a share of the shorter side."""
    height, width = shape
    radius = round(corner * min(shape))
    alpha = np.zeros(shape, np.uint8)
    alpha[radius : height - radius] = 255
    alpha[:, radius : width - radius] = 255
    for x in (radius, width - 1 - radius):
        for y in (radius, height - 1 - radius):
            cv2.circle(alpha, (x, y), radius, 255, -1, cv2.LINE_AA)
    return alpha
