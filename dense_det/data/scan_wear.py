"""Clean renderings made to look printed and scanned."""

import math

import cv2
import numpy as np
from detectron2.data import transforms as T


class RandomScanWear(T.Augmentation):
    """With a probability, the traces of paper, lens and file format on the resized image.

    Paper and faded ink, uneven light, a tone curve, blur, noise and JPEG blocks; each of them in about half of
    the worn images. Strengths are in pixels and grey levels of the network's input, and leave print legible.

    Args:
        probability: share of the images that are worn.
        channel_order: "BGR" or "RGB".
    """

    def __init__(self, probability: float, channel_order: str = "BGR"):
        super().__init__()
        self._init(locals())

    def get_transform(self, image):
        if np.random.uniform() >= self.probability:
            return T.NoOpTransform()
        # old paper is yellowish: green keeps nearly all, blue loses most
        paper = np.array([1.0, 1.0, 1.0])
        ink = 0.0
        if _half():
            yellow = np.random.uniform(0, 0.14)
            paper = np.random.uniform(0.86, 1.0) * np.array([1.0, 1.0 - 0.3 * yellow, 1.0 - yellow])
            ink = np.random.uniform(0, 60)
        return ScanWearTransform(
            paper=tuple(paper if self.channel_order == "RGB" else paper[::-1]),
            ink=ink,
            gamma=math.exp(np.random.uniform(-0.35, 0.35)) if _half() else 1.0,
            light=np.random.uniform(0.05, 0.3) if _half() else 0.0,
            light_angle=np.random.uniform(0, 2 * math.pi),
            blur=np.random.uniform(0.3, 0.9) if _half() else 0.0,
            noise=np.random.uniform(2, 10) if _half() else 0.0,
            noise_seed=int(np.random.randint(2**31)),
            jpeg_quality=int(np.random.randint(25, 80)) if _half() else 100,
        )


def _half() -> bool:
    return np.random.uniform() < 0.5


class ScanWearTransform(T.Transform):
    """Wear of given strengths on a uint8 (H, W, 3) image; nothing moves.

    Args:
        paper: what is left of white, per channel, 0 to 1.
        ink: grey level of black, 0 to 255.
        gamma: exponent of the tone curve.
        light: share of light that is lost at the darkest corner.
        light_angle: direction in which light falls off, in radians.
        blur: sigma in pixels.
        noise: sigma in grey levels, the same for all channels of a pixel.
        noise_seed: of the noise.
        jpeg_quality: 1 to 99; 100 is no JPEG.
    """

    def __init__(self, paper=(1, 1, 1), ink=0, gamma=1, light=0, light_angle=0, blur=0, noise=0, noise_seed=0,
                 jpeg_quality=100):  # fmt: skip
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img):
        img = np.ascontiguousarray(img)
        if self.blur:
            img = cv2.GaussianBlur(img, (0, 0), self.blur)
        img = cv2.LUT(img, self._tones())
        if self.light:
            img = cv2.multiply(img, cv2.merge([self._gain(*img.shape[:2])] * 3), scale=1 / 255)
        if self.noise:
            generator = np.random.default_rng(self.noise_seed)
            grain = (self.noise * generator.standard_normal(img.shape[:2], dtype=np.float32)).astype(np.int16)
            img = cv2.add(img, cv2.merge([grain] * 3), dtype=cv2.CV_8U)
        if self.jpeg_quality < 100:
            # OpenCV takes the channels for BGR: for RGB the blocks differ a little, the colours come back right
            _, code = cv2.imencode(".jpg", img, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
            img = cv2.imdecode(code, cv2.IMREAD_COLOR)
        return img

    def apply_coords(self, coords):
        return coords

    def apply_segmentation(self, segmentation):
        return segmentation

    def _tones(self) -> np.ndarray:
        """(256, 1, 3) lookup: black becomes ink, white becomes paper, the curve between them is bent."""
        level = (np.arange(256) / 255.0) ** self.gamma
        table = self.ink + level[:, None] * (255.0 * np.array(self.paper) - self.ink)
        return table.clip(0, 255).round().astype(np.uint8)[:, None]

    def _gain(self, height: int, width: int) -> np.ndarray:
        """(height, width) uint8: 255 in the brightest corner, 255 * (1 - light) in the one across."""
        dx, dy = math.cos(self.light_angle), math.sin(self.light_angle)
        falloff = dx * np.linspace(-1, 1, width) + dy * np.linspace(-1, 1, height)[:, None]
        falloff /= abs(dx) + abs(dy)  # -1 to 1, whatever the angle
        return (255 - 255 * self.light * (falloff + 1) / 2).astype(np.uint8)
