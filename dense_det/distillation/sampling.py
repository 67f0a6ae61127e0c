"""A few out of very many, in memory for the few: random ones by class and score, or the first by any key."""

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dense_det.distillation.rule import KEPT, Rule
from dense_det.distillation.shard_file import ImagePredictions
from dense_det.distillation.work_folder import InputImage

SCORE_BANDS = 3  # of equal width, from a class's threshold to 1


class Smallest:
    """Keeps the `size` items with the smallest keys of all that it is shown; of equal keys the earlier ones."""

    def __init__(self, size: int):
        self.size = size
        self._heap, self._numbers = [], itertools.count()

    def add(self, key: float, item) -> None:
        entry = (-key, -next(self._numbers), item)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        elif self.size and entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    def items(self) -> list:
        """By rising key."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


@dataclass(frozen=True)
class Drawn:
    """A kept box that a person is to judge."""

    image: InputImage
    box: tuple[float, float, float, float]  # xyxy in pixels
    class_index: int
    score: float
    band: int  # 0 ... SCORE_BANDS - 1


def draw_sample(
    images: Iterable[tuple[InputImage, ImagePredictions]], rule: Rule, size: int, seed: int
) -> tuple[list[Drawn], Counter]:
    """About `size` kept boxes, the same number of each stratum (class, band) as far as it has them, at random.

    Returns:
        the sample in random order, and the number of all kept boxes of each stratum, which weighs the answers.

    Raises:
        ValueError: fewer than there are strata: some would have none, and others stand for them.
    """
    rng = np.random.default_rng(seed)
    strata, population = defaultdict(lambda: Smallest(size)), Counter()
    for image, found in images:
        for row in np.flatnonzero(rule.verdicts(found) == KEPT):
            k, score = int(found.classes[row]), float(found.scores[row])
            band = score_band(score, float(rule.thresholds[k]))
            box = tuple(float(side) for side in found.boxes[row])
            strata[k, band].add(rng.random(), Drawn(image, box, k, score, band))
            population[k, band] += 1
    if size < len(population):
        raise ValueError(
            f"a sample of {size} leaves some of the {len(population)} strata (classes x bands of scores) without any: "
            f"draw {len(population)} or more"
        )
    shares = even_shares([population[stratum] for stratum in sorted(population)], size)
    drawn = [
        item
        for stratum, share in zip(sorted(population), shares, strict=True)
        for item in strata[stratum].items()[:share]
    ]
    # who judges the first few has judged a sample, too, and not the first folder
    return [drawn[place] for place in rng.permutation(len(drawn))], population


def score_band(score: float, threshold: float) -> int:
    """0 just above the threshold, SCORE_BANDS - 1 near 1."""
    place = (score - threshold) / max(1 - threshold, 1e-9)
    return int(np.clip(place * SCORE_BANDS, 0, SCORE_BANDS - 1))


def even_shares(available: list[int], size: int) -> list[int]:
    """How many to take of each, as evenly as they allow: [1, 10, 10] and 9 is [1, 4, 4]."""
    shares = [0] * len(available)
    order = sorted(range(len(available)), key=lambda i: available[i])
    left = size
    for done, index in enumerate(order):
        shares[index] = min(available[index], left // (len(order) - done))
        left -= shares[index]
    return shares
