"""Which image stands where in the endless stream of training images."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class PositionSampler(Sampler):
    """One endless shuffled stream of images, of which each process reads every `world_size`-th place.

    Position p of the stream holds place p % E of epoch p // E, a shuffle of E images that depends on the seed and
    the epoch: a pure function of seed and p. Training step t with a global batch of B images consists of the
    positions [t * B, (t + 1) * B), so neither a resume (`start` = t * B) nor another number of processes changes
    any global batch.

    Yields:
        (position, index): the place in the stream, which also seeds the image's augmentation, and the image.

    Args:
        repeats: for each image how often it stands in an epoch, at least 1 and on average: 1.5 is once in one
            epoch and twice in the next. E is their sum, rounded down.
        seed: of all permutations, >= 0.
        start: first position of the stream that is read by any process.
        rank, world_size: this process reads the positions with position % world_size == rank.
    """

    def __init__(self, repeats: Sequence[float], seed: int, start: int = 0, rank: int = 0, world_size: int = 1):
        assert len(repeats) and min(repeats) >= 1 and seed >= 0 and start >= 0, (repeats, seed, start)
        assert 0 <= rank < world_size, (rank, world_size)
        self.ends = np.cumsum(np.asarray(repeats, dtype=np.float64))
        self.seed = seed
        self.start = start
        self.rank = rank
        self.world_size = world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        position = self.start + (self.rank - self.start) % self.world_size
        length = int(self.ends[-1])
        epoch = -1
        while True:
            if position // length != epoch:
                epoch = position // length
                order = self._epoch(epoch, length)
            yield position, int(order[position % length])
            position += self.world_size

    def _epoch(self, epoch: int, length: int) -> np.ndarray:
        """(E,) shuffled image indices: a comb of unit steps, laid at random over the repeats end to end."""
        state = seeded_state(self.seed, epoch)
        comb = state.uniform() + np.arange(length)
        return state.permutation(np.searchsorted(self.ends, comb, side="right"))


def seeded_state(*numbers: int) -> np.random.RandomState:
    """A generator whose stream depends on all `numbers` (>= 0, of any size) and is frozen across NumPy versions."""
    return np.random.RandomState(np.random.SeedSequence(numbers).generate_state(4))
