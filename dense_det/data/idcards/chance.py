"""Chance that can be repeated: one stream of random numbers for each picture."""

import numpy as np

# "unlabelled" is more of train's material, for a teacher to label
STREAMS = ("train", "val", "unlabelled")


def stream(seed: int, split: str, index: int) -> np.random.Generator:
    """The random numbers of picture `index` of `split`: the same whatever was drawn before, and in which process."""
    return np.random.default_rng([seed, STREAMS.index(split), index])


def pick(rng: np.random.Generator, items, weights=None):
    """One of `items`; `weights` need not sum to 1."""
    if weights is None:
        return items[int(rng.integers(len(items)))]
    edges = np.cumsum(weights)
    return items[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def happens(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)
