"""A photograph of ID documents, with exact truth."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from dense_det.data.idcards.camera import SUPERSAMPLED, document_mask, draw_pose, mask_polygons, warp_document
from dense_det.data.idcards.clutter import draw_clutter, draw_finger
from dense_det.data.idcards.design import CLASSES, NUM_DESIGNS, Design, make_design
from dense_det.data.idcards.documents import draw_document
from dense_det.data.idcards.light import cast_shadow, glare, light_scene, take_picture
from dense_det.data.idcards.photos import PhotoShelf

SPLITS = ("train", "val", "unlabelled")
# how many documents are on a picture: 0 to 3
NUM_DOCUMENTS = (0.08, 0.6, 0.2, 0.12)
CLASS_WEIGHTS = (0.34, 0.2, 0.16, 0.15, 0.15)
# of a document's whole area, or it is not laid there
LEAST_VISIBLE = 0.4
LEAST_SHARE_OF_FRAME = 0.01
TRIES = 12
RADII = {"id_card": 20.0, "passport": 12.0, "badge": 16.0}


@dataclass
class Document:
    """A document on a picture.

    Attributes:
        quad: (4, 2) corners, its own top left first; they may lie outside of the picture.
        mask: (H, W) uint8 at SUPERSAMPLED times the picture's size, what is seen of it.
        whole: pixels of the picture that it would cover, were nothing before it and no frame.
    """

    design: Design
    quad: np.ndarray
    mask: np.ndarray
    whole: float

    @property
    def visible(self) -> float:
        """Share of it that is seen."""
        return float(self.mask.sum()) / SUPERSAMPLED**2 / self.whole


@dataclass
class Scene:
    """A picture, RGB uint8 (H, W, 3), and what is on it."""

    image: np.ndarray
    background: str
    documents: list[Document] = field(default_factory=list)

    def annotations(self) -> list[dict]:
        """COCO's, without ids: bbox (xywh) and segmentation of what is seen, quad of the whole document."""
        return [annotation(document) for document in self.documents]


def annotation(document: Document) -> dict:
    polygons = mask_polygons(document.mask)
    points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in polygons])
    low, high = points.min(0), points.max(0)
    area = sum(cv2.contourArea(np.float32(polygon).reshape(-1, 2)) for polygon in polygons)
    return {
        "category_id": 1 + CLASSES.index(document.design.kind),
        "bbox": [round(float(value), 2) for value in (*low, *(high - low))],
        "segmentation": polygons,
        "quad": [round(float(value), 2) for value in document.quad.reshape(-1)],
        "area": round(area, 2),
        "iscrowd": 0,
        "visible": round(document.visible, 3),
        "template": document.design.name,
    }


def make_scene(seed: int, split: str, index: int, shelf: PhotoShelf, long_side: int, pages: list[np.ndarray]) -> Scene:
    """Picture `index` of a split: its content depends on these arguments alone.

    Args:
        split: one of SPLITS; "unlabelled" looks like training.
        shelf: photographs of the split.
        long_side: of the picture, in pixels.
        pages: (H, W, 3) RGB uint8 real document pages of the split; without any, pages are drawn.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    look = "val" if split == "val" else "train"
    short = round(long_side * 0.75)
    frame = ((long_side, short), (short, long_side), (long_side, short))[rng.integers(3)]
    pixels, background = shelf.crop(rng, *frame)
    scene = Scene(pixels.astype(np.float32), background)
    number = int(rng.choice(len(NUM_DOCUMENTS), p=NUM_DOCUMENTS))
    for _ in range(int(rng.choice(3, p=(0.6, 0.3, 0.1))) + (number == 0)):
        thing, radius = draw_clutter(rng, look)
        quad = draw_pose(rng, (thing.shape[1], thing.shape[0]), frame, (0.25, 0.7))
        _lay(scene, thing, quad, radius, rng, shiny=False)
    share = (0.45, 0.98) if number == 1 else (0.3, 0.62)
    for _ in range(number):
        kind = str(rng.choice(CLASSES, p=CLASS_WEIGHTS))
        design = make_design(kind, look, int(rng.integers(NUM_DESIGNS[look])))
        document = draw_document(rng, design)
        if kind == "page" and pages:
            document = pages[rng.integers(len(pages))]
        _place(scene, design, document, rng, share, frame)
    scene.image = take_picture(light_scene(scene.image, rng), rng)
    return scene


def _place(scene: Scene, design: Design, document: np.ndarray, rng, share, frame) -> None:
    """Lay a document where enough is seen of it and of those below; nowhere if no place is found."""
    size = (document.shape[1], document.shape[0])
    radius = RADII.get(design.kind, 0.0)
    for _ in range(TRIES):
        quad = draw_pose(rng, size, frame, share)
        mask = document_mask(size, radius, quad, frame)
        whole = float(cv2.contourArea(quad.astype(np.float32)))
        new = Document(design, quad, mask, whole)
        finger = draw_finger(rng, quad, frame) if rng.random() < 0.2 else None
        covered = mask if finger is None else np.maximum(mask, finger[0])
        if finger is not None:
            new.mask = mask * (1 - finger[0])
        left = [Document(d.design, d.quad, d.mask * (1 - covered), d.whole) for d in scene.documents]
        large = whole >= LEAST_SHARE_OF_FRAME * frame[0] * frame[1]
        if large and all(d.visible >= LEAST_VISIBLE for d in [*left, new]):
            break
    else:
        return
    _lay(scene, document, quad, radius, rng, shiny=design.kind not in ("page", "certificate"))
    if finger is not None:
        over = _coverage(finger[0], frame)[..., None]
        scene.image = scene.image * (1 - over) + finger[1] * over
    scene.documents = [*left, new]


def _lay(scene: Scene, thing: np.ndarray, quad: np.ndarray, radius: float, rng, shiny: bool) -> None:
    frame = scene.image.shape[1::-1]
    place = _coverage(document_mask((thing.shape[1], thing.shape[0]), radius, quad, frame), frame)
    scene.image = cast_shadow(scene.image, place, rng)
    seen = warp_document(thing, quad, frame) * rng.uniform(0.8, 1.05)
    if shiny and rng.random() < 0.35:
        seen = seen + glare(rng, quad, frame)
    place = place[..., None]
    scene.image = scene.image * (1 - place) + seen.clip(0, 255) * place


def _coverage(mask: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """(H, W) in [0, 1]: the share of each pixel of the picture that a mask covers."""
    return cv2.resize(mask.astype(np.float32), frame, interpolation=cv2.INTER_AREA)
