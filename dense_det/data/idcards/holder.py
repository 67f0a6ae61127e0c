"""What holds a document: a thumb over its edge, a lanyard at its slot. Both hide what is under them."""

import cv2
import numpy as np

from dense_det.data.idcards.template import ASPECTS

# the longer side in millimetres, to which a thumb is in proportion
LONGER_MM = {"id_card": 85.6, "passport": 125, "badge": 85.6, "certificate": 297, "page": 297}
_THUMB_MM, _STRAP_MM = 19, 12
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 40)), np.sin(np.linspace(0, 2 * np.pi, 40))], 1)


def pixels_per_mm(kind: str, quad: np.ndarray) -> float:
    sides = np.linalg.norm(quad - np.roll(quad, -1, 0), axis=1)
    across = ASPECTS[kind] > 1
    longer = (sides[0] + sides[2]) / 2 if across else (sides[1] + sides[3]) / 2
    return longer / LONGER_MM[kind]


def thumb(rng: np.random.Generator, kind: str, quad: np.ndarray, picture: tuple[int, int]):
    """(mask (H, W) uint8, tip, outward direction, radius in pixels) of a hand with its thumb over an edge of `quad`."""
    unit = pixels_per_mm(kind, quad)
    edge = int(rng.integers(4))
    share = rng.uniform(0.2, 0.8)
    foot = quad[edge] * (1 - share) + quad[(edge + 1) % 4] * share
    inward = quad.mean(0) - foot
    inward /= np.linalg.norm(inward) + 1e-6
    turn = rng.normal(0, 0.35)
    inward = inward @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    radius = _THUMB_MM / 2 * unit * rng.uniform(0.85, 1.15)
    tip = foot + inward * rng.uniform(5, 16) * unit
    mask = np.zeros((picture[1], picture[0]), np.uint8)
    knuckle = foot - inward * 48 * unit
    wrist = foot - inward * 105 * unit + unit * rng.normal(0, 12, 2)
    elbow = wrist - inward * 1.5 * max(picture)
    # thumb, ball of the hand, forearm: each the hull of two discs
    discs = [(tip, radius), (knuckle, 1.25 * radius), (wrist, 40 * unit), (wrist, 30 * unit), (elbow, 34 * unit)]
    for (start, r), (end, s) in (discs[0:2], discs[1:3], discs[3:5]):
        hull = np.concatenate([start + r * _CIRCLE, end + s * _CIRCLE]).astype(np.float32)
        cv2.fillConvexPoly(mask, cv2.convexHull(hull).round().astype(np.int32), 1)
    return mask, tip, -inward, radius


def draw_thumb(rng: np.random.Generator, scene: np.ndarray, mask, tip, outward, radius: float) -> None:
    """Paint a thumb into `scene`, in place: round, with a nail at its tip and a shadow around."""
    skin = np.array([1.0, rng.uniform(0.68, 0.8), rng.uniform(0.52, 0.7)], np.float32) * rng.uniform(110, 235)
    margin = int(radius) + 2  # for its shadow
    x, y, width, height = cv2.boundingRect(mask)
    low = np.maximum((x - margin, y - margin), 0)
    part = scene[low[1] : y + height + margin, low[0] : x + width + margin]
    mask = mask[low[1] : y + height + margin, low[0] : x + width + margin]
    tip = tip - low
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(1.0, 0.25 * radius))
    part *= (1 - 0.4 * soft)[..., None]
    depth = np.minimum(cv2.distanceTransform(mask, cv2.DIST_L2, 3) / max(radius, 1), 1)
    shade = 0.55 + 0.45 * np.sqrt(1 - (1 - depth) ** 2)
    grain = cv2.GaussianBlur(rng.standard_normal(mask.shape, dtype=np.float32), (0, 0), 1.5)
    color = (shade * (1 + 0.09 * grain))[..., None] * skin
    nail = np.zeros(mask.shape, np.float32)
    center = tip + outward * 0.25 * radius
    angle = float(np.degrees(np.arctan2(outward[1], outward[0])))
    cv2.ellipse(nail, tuple(int(c) for c in center), (int(0.78 * radius), int(0.58 * radius)), angle, 0, 360, 1, -1)
    nail = 0.5 * cv2.GaussianBlur(nail, (0, 0), max(0.6, 0.06 * radius))[..., None]
    color = color * (1 - nail) + nail * np.minimum(skin * np.float32([1.12, 1.08, 1.12]), 250)
    edge = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None]
    part[:] = part * (1 - edge) + color * edge


def strap(rng: np.random.Generator, quad: np.ndarray, picture: tuple[int, int]):
    """(mask (H, W) uint8, width in pixels) of a lanyard that leaves the badge at the middle of its upper edge."""
    unit = pixels_per_mm("badge", quad)
    up = (quad[0] + quad[1]) / 2 - (quad[2] + quad[3]) / 2
    up /= np.linalg.norm(up) + 1e-6
    side = np.array([-up[1], up[0]])
    foot = (quad[0] + quad[1]) / 2 - up * 2 * unit
    along = np.linspace(0, 1, 24)[:, None]
    bend = rng.normal(0, 0.5)
    points = foot + up * along * 1.2 * max(picture) + side * bend * along**2 * 0.6 * max(picture)
    mask = np.zeros((picture[1], picture[0]), np.uint8)
    width = max(2, round(_STRAP_MM * unit))
    cv2.polylines(mask, [points.round().astype(np.int32)], False, 1, width)
    return mask, width


def draw_strap(rng: np.random.Generator, scene: np.ndarray, mask: np.ndarray, width: int) -> None:
    """Paint a lanyard into `scene`, in place: woven in one colour, darker at its borders."""
    color = rng.uniform(20, 200, 3).astype(np.float32)
    depth = np.minimum(cv2.distanceTransform(mask, cv2.DIST_L2, 3) / max(1, width / 4), 1)
    shadow = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3)
    scene *= (1 - 0.3 * shadow)[..., None]
    edge = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)[..., None]
    scene[:] = scene * (1 - edge) + (0.7 + 0.3 * depth)[..., None] * color * edge
