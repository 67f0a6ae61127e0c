"""A scene: up to three documents on a photograph, as a telephone would see them, and the truth about them."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from dense_det.data.idcards.camera import project, quad_area, random_pose
from dense_det.data.idcards.chance import happens, pick, stream
from dense_det.data.idcards.distractor import draw_distractor
from dense_det.data.idcards.document import Document, draw_document
from dense_det.data.idcards.holder import draw_strap, draw_thumb, pixels_per_mm, strap, thumb
from dense_det.data.idcards.light import expose, lay_down
from dense_det.data.idcards.photos import Photo, crop_photo
from dense_det.data.idcards.polygons import mask_box, mask_polygons, without_specks
from dense_det.data.idcards.template import CLASSES, Template

# a document of which less can be seen is not put there: none stands in a picture without its annotation
LEAST_VISIBLE = 0.15
_LEAST_SHARE = 0.008  # of the picture that a whole document covers
_NUM_DOCUMENTS = ([0, 1, 2, 3], [0.08, 0.56, 0.24, 0.12])
_CLASS_WEIGHTS = (0.28, 0.2, 0.18, 0.16, 0.18)
_ATTEMPTS = 12
_HELD = 1 / 320  # of the picture's longer side a millimetre: farther away than an arm is long, nothing is held


@dataclass(frozen=True, slots=True)
class Materials:
    """What the scenes of one split are made of; `pages` are (name, path) of real pages, and may be empty."""

    photos: list[Photo]
    templates: dict[str, list[Template]]
    pages: list[tuple[str, str]]


@dataclass(slots=True)
class Scene:
    """`image` (H, W, 3) RGB uint8; `annotations` without ids; `record` says what it was made of."""

    image: np.ndarray
    annotations: list[dict]
    record: dict
    jpeg_quality: int


@dataclass(slots=True)
class _Placed:
    document: Document
    quad: np.ndarray
    strap: tuple | None = None
    mask: np.ndarray = field(default=None)


def make_scene(seed: int, split: str, index: int, materials: Materials, longer: int = 640) -> Scene:
    """Picture `index` of `split`: the same for the same arguments, whatever was made before.

    Each annotation has "category_id", "bbox" (xywh) and "segmentation" of the visible part, "area" (its pixels),
    "iscrowd" 0, "quad" (x1, y1, ... x4, y4 in pixels: the corners of the whole document, clockwise from the one that is
    top-left in its own frame; they may lie outside of the picture), and "visible", the share of the document seen.

    Args:
        longer: pixels of the picture's longer side; the other is three quarters of it.
    """
    rng = stream(seed, split, index)
    shorter = round(longer * 3 / 4)
    picture = pick(rng, [(longer, shorter), (shorter, longer)], [0.65, 0.35])
    photo = pick(rng, materials.photos)
    scene = crop_photo(rng, photo, picture).astype(np.float32)
    num_documents = pick(rng, *_NUM_DOCUMENTS)
    distractors = _add_distractors(rng, scene, materials, longer, num_documents)
    placed = _place_documents(rng, materials, picture, num_documents)
    for item in placed:
        hidden = np.zeros(scene.shape[:2], np.uint8)
        if item.strap:
            draw_strap(rng, scene, *item.strap)
            hidden |= item.strap[0]
        glossy = item.document.kind in ("id_card", "passport", "badge")
        item.mask = lay_down(rng, scene, item.document.image, item.document.alpha, item.quad, glossy)
        _hide(placed, item, hidden | item.mask)
    if placed and happens(rng, 0.4):
        _hold(rng, scene, placed)
    record = {
        "background": photo.name,
        "templates": sorted({item.document.template for item in placed}),
        "faces": sorted({item.document.face for item in placed if item.document.face is not None}),
        "distractors": distractors,
    }
    annotations = [_annotation(item) for item in placed]
    return Scene(expose(rng, scene), annotations, record, int(rng.integers(45, 96)))


def _add_distractors(rng, scene, materials: Materials, longer: int, num_documents: int) -> list[str]:
    height, width = scene.shape[:2]
    num = int(rng.integers(1, 4)) if num_documents == 0 else pick(rng, [0, 1, 2], [0.7, 0.22, 0.08])
    names = []
    for _ in range(num):
        family = pick(rng, materials.templates["id_card"]).family
        name, image, alpha = draw_distractor(rng, family, materials.photos, round(0.7 * longer))
        size = image.shape[1::-1]
        quad = project(size, random_pose(rng, size, (width, height), (0.3, 0.95)), (width, height))
        lay_down(rng, scene, image, alpha, quad, glossy=name in ("screen", "print", "bank card"))
        names.append(name)
    return names


def _place_documents(rng, materials: Materials, picture, num_documents: int) -> list[_Placed]:
    """Documents from the lowest to the uppermost, each of them visible enough."""
    placed: list[_Placed] = []
    seen: list[np.ndarray] = []
    share = (0.5, 1.3) if num_documents == 1 else (0.34, 0.8)
    for _ in range(num_documents):
        kind = pick(rng, CLASSES, _CLASS_WEIGHTS)
        template = pick(rng, materials.templates[kind])
        page, name = None, template.name
        if kind == "page" and materials.pages and happens(rng, 0.8):
            name, page = pick(rng, materials.pages)
        document = draw_document(rng, template, max(picture), page, name)
        hung = kind == "badge" and happens(rng, 0.5)
        in_frame = pick(rng, [0.995, 0.86, rng.uniform(0.25, 0.86)], [0.55, 0.2, 0.25])
        free = rng.uniform(0.3, 0.95)  # of those below
        for _ in range(_ATTEMPTS):
            size = document.image.shape[1::-1]
            quad = project(size, random_pose(rng, size, picture, share), picture)
            new = _Placed(document, quad, strap(rng, quad, picture) if hung else None)
            cover = _filled(quad, picture)
            over = cover | new.strap[0] if new.strap else cover
            left = [mask & ~(over > 0) for mask in seen]
            enough = all(m.sum() >= max(free, LEAST_VISIBLE + 0.1) * quad_area(p.quad) or m.sum() == before.sum()
                         for m, p, before in zip(left, placed, seen))  # fmt: skip
            area = quad_area(quad)
            if cover.sum() >= in_frame * area and area >= _LEAST_SHARE * picture[0] * picture[1] and enough:
                placed.append(new)
                seen = [*left, cover]
                break
    return placed


def _filled(quad: np.ndarray, picture) -> np.ndarray:
    mask = np.zeros((picture[1], picture[0]), np.uint8)
    # OpenCV fills up to the centres of the pixels it is given
    return cv2.fillConvexPoly(mask, np.round(quad - 0.5).astype(np.int32), 1)


def _hide(placed: list[_Placed], above: _Placed | None, cover: np.ndarray) -> None:
    """Take `cover` from the masks of what lies under `above`; None: of all."""
    for item in placed:
        if item is above:
            return
        item.mask = item.mask & (1 - cover)


def _hold(rng, scene, placed: list[_Placed]) -> None:
    """Lay thumbs over the edges of one document near enough, where enough of all documents stays visible."""
    near = [item for item in placed if pixels_per_mm(item.document.kind, item.quad) >= _HELD * max(scene.shape[:2])]
    if not near:
        return
    held = pick(rng, near)
    for _ in range(pick(rng, [1, 2], [0.85, 0.15])):
        picture = scene.shape[1::-1]
        mask, tip, outward, radius = thumb(rng, held.document.kind, held.quad, picture)
        left = [(item.mask & (1 - mask)).sum() for item in placed]
        if all(pixels > (LEAST_VISIBLE + 0.05) * quad_area(item.quad) for pixels, item in zip(left, placed)):
            draw_thumb(rng, scene, mask, tip, outward, radius)
            _hide(placed, None, mask)


def _annotation(item: _Placed) -> dict:
    mask = without_specks(item.mask)
    area = int(mask.sum())
    return {
        "category_id": CLASSES.index(item.document.kind) + 1,
        "bbox": mask_box(mask),
        "area": area,
        "iscrowd": 0,
        "segmentation": mask_polygons(mask),
        "quad": [round(float(c), 2) for c in item.quad.reshape(-1)],
        "visible": round(min(1.0, area / quad_area(item.quad)), 3),
    }
