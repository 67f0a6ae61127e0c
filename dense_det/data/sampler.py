"""Which image stands where in the endless stream of training images."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction

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
        assert start >= 0 and 0 <= rank < world_size, (start, rank, world_size)
        self.stream = _Stream(repeats, seed)
        self.start = start
        self.rank = rank
        self.world_size = world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        position = self.start + (self.rank - self.start) % self.world_size
        while True:
            yield position, self.index(position)
            position += self.world_size

    def index(self, position: int) -> int:
        """The image at a place of the stream."""
        return self.stream[position]

    def kind(self, position: int) -> int:
        """Of which of several streams the image is: here there is one."""
        return 0

    def dealt(self, step: int, batch: Sequence[int]) -> Sequence[int]:
        """Those places of a step's batch that this process reads."""
        return batch[self.rank :: self.world_size]


class MixedSampler(PositionSampler):
    """Two such streams in a fixed proportion: of any first P positions, floor(P * share) are labelled images.

    So a batch of B has share * B of them, or, where that is no whole number, one less or one more, and over time
    exactly the share (Data Distillation, arXiv 1712.04440, section 4: 6 of 10). Pseudo-labelled images have a
    stream of their own; each image of either comes round as often as the others of its kind.

    The processes deal the labelled images of a batch out among them, and then the others: every `world_size`-th place
    would give one process labelled images alone wherever the share repeats as often.

    Args:
        labelled, pseudo: indices of the images of each kind, one at least.
        share: of labelled images, in (0, 1).
        batch_size: images of a batch of all processes, a multiple of world_size; `start` is a multiple of it.
        repeats, seed, start, rank, world_size: of PositionSampler, over all images.
    """

    def __init__(
        self,
        labelled: Sequence[int],
        pseudo: Sequence[int],
        share: float,
        batch_size: int,
        repeats: Sequence[float],
        *args,
    ):
        super().__init__(repeats, *args)
        assert self.start % batch_size == batch_size % self.world_size == 0, (self.start, batch_size, self.world_size)
        self.batch_size = batch_size
        seed = self.stream.seeds[0]
        self.share = Fraction(share).limit_denominator(1000)  # 0.6 is 3/5, not what a float makes of it
        assert len(labelled) and len(pseudo) and 0 < self.share < 1, (len(labelled), len(pseudo), share)
        self.kinds = (labelled, pseudo)
        self.streams = tuple(_Stream([repeats[i] for i in of_kind], seed, k) for k, of_kind in enumerate(self.kinds))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for step in itertools.count(self.start // self.batch_size):
            for position in self.dealt(step, range(step * self.batch_size, (step + 1) * self.batch_size)):
                yield position, self.index(position)

    def index(self, position: int) -> int:
        kind, before = self.kind(position), int(position * self.share)
        place = position - before if kind else before
        return self.kinds[kind][self.streams[kind][place]]

    def kind(self, position: int) -> int:
        """0 of labelled images, 1 of pseudo-labelled ones."""
        return int(int(position * self.share) == int((position + 1) * self.share))

    def dealt(self, step: int, batch: Sequence[int]) -> Sequence[int]:
        by_kind = sorted(batch, key=self.kind)
        # another process begins each time, so that what is left over goes round
        return sorted(by_kind[(self.rank + step) % self.world_size :: self.world_size])


class ShapeSampler(Sampler):
    """The places of another sampler, changed about so that a batch's images are all upright or all lying.

    A batch is padded to its tallest and its widest image: of 4 by 3 in both ways that is a third more pixels. Within
    each block of BLOCK batches the places of a kind are sorted by shape, and the batches shuffled, so that a batch is
    still a function of the seed and its step alone, and has as many images of each kind as before. Batches that have
    both shapes are one of a block, or as many as the kinds differ in their parts of each.

    Args:
        sampler: whose `start` is a multiple of batch_size.
        upright: (N,) of each image, whether it is higher than wide.
        batch_size: images of a batch of all processes.
    """

    BLOCK = 64

    def __init__(self, sampler: PositionSampler, upright: Sequence[bool], batch_size: int):
        assert sampler.start % batch_size == 0, (sampler.start, batch_size)
        self.sampler, self.upright, self.batch_size = sampler, upright, batch_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        first = self.sampler.start // self.batch_size
        for block in itertools.count(first // self.BLOCK):
            places = range(block * self.BLOCK * self.batch_size, (block + 1) * self.BLOCK * self.batch_size)
            images = {position: self.sampler.index(position) for position in places}
            for row, batch in enumerate(self._batches(block, images)):
                if (step := block * self.BLOCK + row) >= first:
                    yield from ((position, images[position]) for position in self.sampler.dealt(step, batch))

    def _batches(self, block: int, images: dict[int, int]) -> list[list[int]]:
        by_kind = defaultdict(list)
        for position in images:
            by_kind[self.sampler.kind(position)].append(position)
        moved = {}
        for positions in by_kind.values():
            by_shape = sorted(positions, key=lambda position: self.upright[images[position]])
            moved |= zip(positions, by_shape, strict=True)
        places = [moved[position] for position in images]
        # the 2 keeps these shuffles apart from those of the streams
        order = seeded_state(self.sampler.stream.seeds[0], 2, block).permutation(self.BLOCK)
        return [places[k * self.batch_size : (k + 1) * self.batch_size] for k in order]


class _Stream:
    """The endless stream of PositionSampler, place by place; the current epoch is kept."""

    def __init__(self, repeats: Sequence[float], *seeds: int):
        assert len(repeats) and min(repeats) >= 1 and min(seeds) >= 0, (repeats, seeds)
        self.ends = np.cumsum(np.asarray(repeats, dtype=np.float64))
        self.seeds = seeds
        self.epoch, self.order = -1, None

    def __getitem__(self, place: int) -> int:
        length = int(self.ends[-1])
        if place // length != self.epoch:
            self.epoch = place // length
            self.order = self._shuffled(length)
        return int(self.order[place % length])

    def _shuffled(self, length: int) -> np.ndarray:
        """(E,) shuffled image indices: a comb of unit steps, laid at random over the repeats end to end."""
        state = seeded_state(*self.seeds, self.epoch)
        comb = state.uniform() + np.arange(length)
        return state.permutation(np.searchsorted(self.ends, comb, side="right"))


def seeded_state(*numbers: int) -> np.random.RandomState:
    """A generator whose stream depends on all `numbers` (>= 0, of any size) and is frozen across NumPy versions."""
    return np.random.RandomState(np.random.SeedSequence(numbers).generate_state(4))
