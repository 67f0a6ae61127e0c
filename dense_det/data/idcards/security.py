"""Security print: the tinted ground of fine lines (guilloche) under the text of a document."""

import cv2
import numpy as np

from dense_det.data.idcards.template import Template


def security_ground(rng: np.random.Generator, template: Template, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) RGB: a gradient of the template's colours with its pattern of lines."""
    width, height = size
    first = np.array(template.color(rng.uniform(0.04, 0.2), rng.uniform(0.9, 1.0)), np.float32)
    second = np.array(template.color(rng.uniform(0.06, 0.3), rng.uniform(0.82, 0.98), 0.08), np.float32)
    angle = rng.uniform(0, np.pi / 2)
    ramp = np.linspace(0, np.cos(angle), width)[None, :, None] + np.linspace(0, np.sin(angle), height)[:, None, None]
    ground = (first + (second - first) * (ramp / ramp.max())).astype(np.uint8)
    if template.pattern == "none":
        return ground
    lines = ground.copy()
    ink = template.color(rng.uniform(0.25, 0.6), rng.uniform(0.55, 0.85), rng.uniform(-0.06, 0.06))
    for curve in _PATTERNS[template.pattern](rng, width, height):
        # sixteenths of a pixel: smooth though thin
        cv2.polylines(lines, [(curve * 16).astype(np.int32)], False, ink, 1, cv2.LINE_AA, 4)
    share = rng.uniform(0.3, 0.6)
    return cv2.addWeighted(ground, 1 - share, lines, share, 0)


def _waves(rng, width, height):
    x = np.arange(0, width + 4, 4)
    num_lines = int(rng.integers(14, 34))
    swing, periods, drift = rng.uniform(0.03, 0.2) * height, rng.uniform(1, 6), rng.uniform(0.05, 0.3)
    for k in range(num_lines):
        phase = 2 * np.pi * periods * x / width + k * drift
        y = height * (k + 0.5) / num_lines + swing * np.sin(phase) + 0.4 * swing * np.sin(2.7 * phase)
        yield np.stack([x, y], 1)


def _rosette(rng, width, height):
    yield from _waves(rng, width, height)
    center = np.array([rng.uniform(0.3, 0.9) * width, rng.uniform(0.3, 0.8) * height])
    radius, petals = rng.uniform(0.2, 0.5) * height, int(rng.integers(5, 12))
    turn = np.linspace(0, 2 * np.pi, 260)
    for k in range(10):
        r = radius * (0.35 + 0.06 * k + 0.18 * np.sin(petals * turn + 0.5 * k))
        yield center + np.stack([r * np.cos(turn), r * np.sin(turn)], 1)


def _mesh(rng, width, height):
    step = rng.uniform(0.04, 0.09) * height
    x = np.arange(0, width + 6, 6)
    for sign in (-1, 1):
        slope = sign * rng.uniform(0.3, 1.0)
        for start in np.arange(-width, height + width, step):
            yield np.stack([x, start + slope * x + 0.3 * step * np.sin(x / step)], 1)


_PATTERNS = {"waves": _waves, "rosette": _rosette, "mesh": _mesh}
